"""Maps in characters: KV blocks by place and sharing, and how much a summary holds in each layer and head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from .screen import Screen, level, one_line

if TYPE_CHECKING:
    from ...memory.inspecting import Summary
    from ..heat import Heat
    from ..kvmap import Block, Place

PLACES: Mapping[Place, tuple[str, str]] = {
    "sinks": ("K", "yellow"),
    "evicted": (".", "bright_black"),
    "window": ("#", "green"),
}
"""By the place of a block: its sign in ASCII, and its colour."""

SHARED = {"sinks": "k", "evicted": ":", "window": "="}
SIGNS = {"sinks": "◆", "evicted": "░", "window": "█"}
SIGNS_SHARED = {"sinks": "◇", "evicted": "▒", "window": "▓"}

WIDEST = 96
RAMP = (17, 18, 19, 20, 26, 32, 38, 44, 43, 42, 76, 112, 148, 184, 220, 226)
"""Of the 256 colours, from cold to hot."""


def block_lines(blocks: Sequence[Block], out: Screen) -> Iterator[Text]:
    """A grid with one character for each block, the token that each line begins with in front, and a legend."""
    if not blocks:
        return
    digits = len(str(blocks[-1].start))
    across = max(8, (min(out.width, WIDEST) - digits - 2) // 8 * 8)
    for first in range(0, len(blocks), across):
        line = Text.assemble((f"{blocks[first].start:>{digits}}  ", "dim"))
        for block in blocks[first : first + across]:
            line.append(_sign(block.place, bool(block.sharers), out), PLACES[block.place][1])
        yield line
    yield from _block_legend(blocks, out)


def _block_legend(blocks: Sequence[Block], out: Screen) -> Iterator[Text]:
    counts = Counter((block.place, bool(block.sharers)) for block in blocks)
    for place in PLACES:
        for shared in (False, True):
            if count := counts[place, shared]:
                name = f"{place}, shared" if shared else place
                yield Text.assemble((_sign(place, shared, out), PLACES[place][1]), f" {name}: {_many(count)}")
    sharers = Counter(name for block in blocks for name in block.sharers)
    if sharers:
        most = ", ".join(f"{one_line(name)} ({count})" for name, count in sharers.most_common(8))
        yield from out.folded(Text(f"shared with {most}" + (" and others" if len(sharers) > 8 else ""), "dim"))


def _many(count: int) -> str:
    return f"{count} block{'' if count == 1 else 's'}"


def _sign(place: Place, shared: bool, out: Screen) -> str:
    if out.unicode:
        return (SIGNS_SHARED if shared else SIGNS)[place]
    return SHARED[place] if shared else PLACES[place][0]


WORDS = {
    "mass": "attention that the kept entries had drawn",
    "norm": "norm of the memory of fixed size",
}


def heat_lines(maps: Sequence[Heat], out: Screen) -> Iterator[Text]:
    """A map with a line for each KV head and a column for each layer, coldest to hottest."""
    for found in maps:
        most = max((number for row in found.values for number in row), default=0.0)
        yield Text(f"{WORDS[found.kind]}, by layer (across) and head; the most is {most:.3g}", "dim")
        across = max(1, min(out.width, WIDEST) - 8)
        for first in range(0, len(found.values), across):
            rows = found.values[first : first + across]
            yield Text(f"{'layer':<8}{_ruler(found.layers[first : first + across], first)}", "dim")
            for head in range(len(rows[0])):
                line = Text.assemble((f"head {head:<3}", "dim"))
                for row in rows:
                    line.append_text(_heat(row[head] / most if most else 0.0, out))
                yield line
        yield _scale(most, out)


def _ruler(layers: Sequence[int | None], first: int) -> str:
    """A number at every fifth layer, where it begins."""
    line = ""
    for at, layer in enumerate(layers):
        number = first + at if layer is None else layer
        if at % 5 == 0 and len(line) <= at:
            line = line.ljust(at) + str(number)
    return line[: len(layers) + 2]


def _heat(share: float, out: Screen) -> Text:
    if out.colour:
        return Text(out.signs.full, f"color({RAMP[min(len(RAMP) - 1, int(share * len(RAMP)))]})")
    return Text(level(share, out.signs.levels))


def _scale(most: float, out: Screen) -> Text:
    line = Text.assemble(("0 ", "dim"))
    for step in range(8):
        line.append_text(_heat(step / 7, out))
    return line.append(f" {most:.3g}", "dim")


def histogram(tier: Summary, out: Screen) -> Iterator[Text]:
    """Which tokens a summary keeps, as bars."""
    if not tier.histogram:
        return
    most = max(part.entries for part in tier.histogram) or 1
    width = len(str(tier.histogram[-1].end))
    yield Text("tokens that it keeps, counted over layers and heads", "dim")
    for part in tier.histogram:
        place = f"{part.start:>{width}}-{part.end:<{width}} "
        room = max(4, min(40, out.width - len(place) - 8))
        filled = out.signs.full * round(part.entries / most * room)
        yield Text.assemble((place, "dim"), f"{part.entries:>6} ", (filled, "cyan"))
