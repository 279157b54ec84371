"""Maps in characters: KV blocks by what they are to the model, and how much a summary holds in each layer and head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ...memory.blockmap import IN_WINDOW, SINK, STORED, SUMMARISED
from ..blocks import shared as shared_with
from ..figures import size
from .screen import Screen, level, one_line

if TYPE_CHECKING:
    from ...memory.blockmap import Block
    from ...memory.heads import Heads
    from ...memory.inspecting import Summary
    from ..blocks import Held

SIGNS: Mapping[str, tuple[str, str, str]] = {
    SINK: ("Kk", "◆◇", "yellow"),
    SUMMARISED: ("Ss", "■□", "color(208)"),
    STORED: (".:", "░▒", "bright_black"),
    IN_WINDOW: ("#=", "█▓", "green"),
}
"""By what a block is to the model: its sign and that of one that is shared, in ASCII and in Unicode, and its colour."""

GONE = "!", "red"
"""A block that is not in the store."""

WIDEST = 96
RAMP = (17, 18, 19, 20, 26, 32, 38, 44, 43, 42, 76, 112, 148, 184, 220, 226)
"""Of the 256 colours, from cold to hot."""


def block_lines(groups: Sequence[Held], out: Screen) -> Iterator[Text]:
    """For each group of layers a grid with one character for each block, the token that each line begins with in front,
    and a legend.
    """
    for held in groups:
        if held.group.blocks:
            yield _about(held)
            yield from _grid(held.group.blocks, max(held.sharing.values(), default=0), out)
            yield from _legend(held, out)


def _about(held: Held) -> Text:
    group = held.group
    layers = f"{len(group.layers)} layers" if group.layers else "no numbers"
    count, nbytes = len(group.blocks), sum(block.nbytes for block in group.blocks)
    return Text.assemble((group.name, "bold"), (f"  {layers}, {_many(count)}, {size(nbytes)}", "dim"))


def _grid(blocks: Sequence[Block], shared: int, out: Screen) -> Iterator[Text]:
    digits = len(str(blocks[-1].start))
    across = max(8, (min(out.width, WIDEST) - digits - 2) // 8 * 8)
    for first in range(0, len(blocks), across):
        line = Text.assemble((f"{blocks[first].start:>{digits}}  ", "dim"))
        for block in blocks[first : first + across]:
            line.append(*_sign(block.tier, block.number < shared, out) if block.nbytes else GONE)
        yield line


def _legend(held: Held, out: Screen) -> Iterator[Text]:
    blocks, most = held.group.blocks, max(held.sharing.values(), default=0)
    counts = Counter((block.tier, block.number < most) for block in blocks if block.nbytes)
    for tier in SIGNS:
        for shared in (False, True):
            if count := counts[tier, shared]:
                yield Text.assemble(_sign(tier, shared, out), f" {tier}{', shared' * shared}: {_many(count)}")
    if gone := len(blocks) - counts.total():
        yield Text.assemble(GONE, f" not in the store, computed again when needed: {_many(gone)}")
    if held.sharing:
        named = ", ".join(f"{one_line(each['session'])} ({each['blocks']})" for each in shared_with(held)[:8])
        yield from out.folded(Text(f"shared with {named}" + (" and others" if len(held.sharing) > 8 else ""), "dim"))


def _many(count: int) -> str:
    return f"{count} block{'' if count == 1 else 's'}"


def _sign(tier: str, shared: bool, out: Screen) -> tuple[str, str]:
    plain, drawn, style = SIGNS[tier]
    return (drawn if out.unicode else plain)[shared], style


WORDS = {
    "mass": "attention that the kept entries had drawn",
    "norm": "norm of the memory of fixed size",
}


def heat_lines(found: Heads, out: Screen) -> Iterator[Text]:
    """Maps of each bank: the attention of what it keeps, and the norms of its memory of fixed size where it has one."""
    for number, places in enumerate(found.banks):
        layers = [found.layers[place] for place in places]
        if any(sum(each.entries) for each in layers):
            yield from _map(WORDS["mass"], [each.layer for each in layers], [each.scores for each in layers], out)
        norms = found.norms[number]
        if any(norms):
            opened = found.norms_of(number, None) if len(norms) == len(places) else {}
            yield from _map(WORDS["norm"], [found.layers[at].layer for at in opened] or [None] * len(norms), norms, out)


def _map(what: str, layers: Sequence[int | None], values: Sequence[Sequence[float]], out: Screen) -> Iterator[Text]:
    """A map with a line for each KV head and a column for each layer, coldest to hottest."""
    most = max((number for row in values for number in row), default=0.0)
    yield Text(f"{what}, by layer (across) and head; the most is {most:.3g}", "dim")
    across = max(1, min(out.width, WIDEST) - 8)
    for first in range(0, len(values), across):
        rows = values[first : first + across]
        yield Text(f"{'layer':<8}{_ruler(layers[first : first + across], first)}", "dim")
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
