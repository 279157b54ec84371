"""`perdure trace` as text: what was put where, how much each token of the answer heeded it, what was looked at and left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ..heeding import Heeded
from .memory_render import MOST, short
from .output import visible
from .screen import Column, Screen, columns, level, one_line
from .show_render import section

if TYPE_CHECKING:
    from ..recalling import Chosen, Considered, Judged, Told

SHADES = (236, 238, 240, 60, 61, 62, 63, 99, 135, 171, 207)
"""Of the 256 colours, backgrounds for little attention to much; the text on them is white."""

NEXT = 9


def trace_lines(story: Told, answer: Sequence[Heeded], out: Screen) -> Iterator[Text]:
    """The question, then everything about its answer."""
    commit = story.commit
    asked = one_line(story.query or commit.title)
    yield from out.folded(Text.assemble((commit.short, "yellow"), f"  turn {commit.turn}: {asked}"))
    if story.recalled:
        yield from section("put back", _put_back(story, out), out)
        yield from section("attention, by token of the answer", answer_lines(answer, out), out)
        yield from section("attention, by layer", _layers(story, out), out)
        yield from section("considered", _considered(story.considered, out), out)
    yield from section("fast weights", _judged(story.records, out), out)


CHOSEN = (
    Column("ID", least=9),
    Column("SLOTS", rank=2),
    Column("TOKENS", right=True, rank=3),
    Column("BIAS", right=True, rank=1),
    Column("ATTENTION", right=True),
    Column("TEXT", least=24),
)


def _put_back(story: Told, out: Screen) -> Iterator[Text]:
    where = "as text" if story.position is None else f"before token {story.position}, as stored keys and values"
    count = sum(item.tokens for item in story.chosen)
    many = f"{len(story.chosen)} {'memory' if len(story.chosen) == 1 else 'memories'}"
    yield from out.folded(Text(f"recalled {count} tokens of {many}, put {where} ({story.mode})"))
    yield from columns(CHOSEN, [_chosen(item) for item in reversed(story.chosen)], out)


def _chosen(item: Chosen) -> list[Text]:
    return [
        _name(item),
        Text(f"{item.at}-{item.at + item.tokens - 1}", "dim"),
        Text(str(item.tokens)),
        Text(f"{item.bias:+.2f}", "dim"),
        Text("-" if item.mass is None else f"{item.mass:.1%}", "bold"),
        _text(item),
    ]


def answer_lines(answer: Sequence[Heeded], out: Screen) -> Iterator[Text]:
    """The answer with a shade behind each token, or, without colours, with each token's share in percent below it."""
    if not answer:
        return
    most = max(item.mass for item in answer) or 1.0
    if out.colour and answer[0].text is not None:
        yield from out.folded(_shaded(answer, most))
    else:
        yield from _numbered(answer, out)
    shares = [item.mass for item in answer]
    mean = sum(shares) / len(shares)
    yield Text.assemble(("by token ", "dim"), _spark(shares, most, out.width - NEXT, out))
    yield Text(f"{len(shares)} tokens, {mean:.1%} on average, {most:.1%} at most", "dim")


def _shaded(answer: Sequence[Heeded], most: float) -> Text:
    line = Text()
    for item in answer:
        shade = SHADES[min(len(SHADES) - 1, int(item.mass / most * len(SHADES)))]
        line.append(visible(item.text or ""), f"bright_white on color({shade})")
    return line


def _numbered(answer: Sequence[Heeded], out: Screen) -> Iterator[Text]:
    """Pairs of lines: tokens, and what each attended in percent."""
    above, below = Text(), Text()
    for number, item in enumerate(answer, 1):
        token = Text(f"#{number}" if item.text is None else one_line(item.text) or "\\n" * ("\n" in item.text) or "_")
        share = Text(f"{item.mass:.0%}", "dim")
        room = max(token.cell_len, share.cell_len) + 1
        if above.plain and above.cell_len + room > out.width:
            yield from (above, below)
            above, below = Text(), Text()
        for line, cell in ((above, token), (below, share)):
            line.append_text(cell).append(" " * (room - cell.cell_len))
    yield from (above, below)


def _spark(shares: Sequence[float], most: float, cells: int, out: Screen) -> Text:
    """One sign a token; where they are too many, each is the most of several."""
    step = max(1, -(-len(shares) // cells)) if out.fits else 1
    tops = [max(shares[at : at + step]) for at in range(0, len(shares), step)]
    return Text("".join(level(top / most, out.signs.levels) for top in tops), "magenta")


def _layers(story: Told, out: Screen) -> Iterator[Text]:
    for item in reversed(story.chosen):
        if item.by_layer:
            most = max(item.by_layer) or 1.0
            at = item.by_layer.index(max(item.by_layer))
            yield Text.assemble(_name(item), (f"  most in layer {at}: {most:.1%}", "dim"))
            yield _spark(item.by_layer, most, out.width, out)


LOOKED_AT = (
    Column("ID", rank=1),
    Column("MEANING", right=True, rank=2),
    Column("WORDS", right=True, rank=3),
    Column("SCORE", right=True),
    Column("VERDICT", least=40),
    Column("TEXT", least=11),
)


def _considered(found: Sequence[Considered], out: Screen) -> Iterator[Text]:
    yield from columns(LOOKED_AT, [_looked_at(item) for item in found[:MOST]], out) if found else ()
    if len(found) > MOST:
        yield Text(f"and {len(found) - MOST} more, which --json lists", "dim")


def _looked_at(item: Considered) -> list[Text]:
    verdict = Text(f"left out: {one_line(item.dropped)}", "magenta") if item.dropped else Text("recalled", "green")
    numbers = [Text(f"{number:.3f}") for number in (item.similarity, item.words, item.score)]
    return [_name(item), *numbers, verdict, _text(item)]


JUDGED = (
    Column("ID"),
    Column("SCORE", right=True),
    Column("AGAINST", right=True, rank=2),
    Column("GAIN", right=True, rank=1),
    Column("VERDICT", least=16),
    Column("STATEMENT", least=20),
)


def _judged(records: Sequence[Judged], out: Screen) -> Iterator[Text]:
    """Those that were opened, then those that were left closed, and why."""
    if not records:
        return
    count = sum(not item.closed for item in records)
    yield Text(f"{count} record{'' if count == 1 else 's'} open", "dim")
    ranked = sorted(records, key=lambda item: bool(item.closed))
    yield from columns(JUDGED, [_record(item) for item in ranked], out)


def _record(item: Judged) -> list[Text]:
    verdict = Text(f"closed: {one_line(item.closed)}", "magenta") if item.closed else Text("open", "green")
    gain = "-" if item.gain is None else f"{item.gain:.1f}"
    return [
        Text(item.id, "yellow"),
        Text(f"{item.score:.3f}"),
        Text(f"{item.against:.3f}"),
        Text(gain),
        verdict,
        Text(one_line(item.statement)),
    ]


def _name(item: Chosen | Considered) -> Text:
    return Text(item.episode.id if item.episode else item.digest.hex()[:16], "yellow")


def _text(item: Chosen | Considered) -> Text:
    return Text(one_line(short(item.episode.text)) if item.episode else "(no longer stored)")
