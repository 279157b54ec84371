"""`perdure inspect` as text: the context as one bar, then each tier with its size and what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from ..context import Context
from ..figures import size
from .map_render import block_lines, heat_lines, histogram
from .memory_render import Fact, episode_lines, tier_facts
from .output import visible
from .record_render import native_table, record_table
from .screen import Part, Screen, bar, fitted, one_line, rule, stacked
from .show_render import legend

if TYPE_CHECKING:
    from ...memory import Commit
    from ..inspection import Inspected, Ledger

STYLES = {
    "system": ("y", "blue"),
    "sinks": ("k", "yellow"),
    "recalled": ("m", "magenta"),
    "summary": ("s", "color(208)"),
    "window": ("w", "green"),
    "free": (".", "bright_black"),
}
WIDEST = 100

RECORDS = {"STATEMENT": (30, 0), "SAID": (12, 2), "HELD BY": (8, 3), "FORM": (None, 4), "SIZE": (None, 1)}
NATIVES = {"TOKEN": (None, 1), "DTYPE": (None, 2), "KIND": (None, 3)}
"""How columns give way on a narrow screen."""


def inspected_lines(seen: Inspected, out: Screen) -> Iterator[Text]:
    """All that was looked at."""
    yield head_line(seen.commit, seen.name)
    if seen.context is not None:
        yield Text()
        yield from context_lines(seen.context, out)
    yield from tier_lines([each for each in _sections(seen, out) if seen.tier in (None, each.name)], out)


def _sections(seen: Inspected, out: Screen) -> Iterator[Section]:
    report, known = seen.report, seen.known
    working, summary, episodes = (seen.blocks or (), seen.heat or (), seen.episodes or ())
    maps = [*heat_lines(summary, out), *histogram(report.summary, out)] if seen.tier == "summary" else []
    yield Section("working", report.working.nbytes, _facts(seen, "working"), block_lines(working, out))
    yield Section("episodic", report.episodic.nbytes, _facts(seen, "episodic"), episode_lines(episodes, out))
    yield Section("summary", report.summary.nbytes, _facts(seen, "summary"), maps)
    yield Section("fast-weights", known.nbytes, _facts(seen, "fast-weights"), _ledger(seen.ledger, out))


def _facts(seen: Inspected, tier: str) -> list[Fact]:
    return list(tier_facts(seen.report, seen.known, tier))


def _ledger(ledger: Ledger | None, out: Screen) -> Iterator[Text]:
    if ledger is None:
        return
    if ledger.known:
        yield from fitted(record_table(ledger.known, ledger.left, ledger.branches), RECORDS, out)
    if ledger.natives:
        yield from fitted(native_table(ledger.natives), NATIVES, out)


class Section(NamedTuple):
    """A tier: its name and size, the lines about it, and what there is to see of it."""

    name: str
    nbytes: int
    facts: Sequence[Fact]
    more: Iterable[Text] = ()


def head_line(commit: Commit, name: str) -> Text:
    named = "" if commit.hex.startswith(name) else f"  {one_line(name)}"
    return Text.assemble((commit.short, "yellow"), f"  turn {commit.turn}, {commit.tokens} tokens", (named, "bold cyan"))


def context_lines(found: Context, out: Screen) -> Iterator[Text]:
    """What the model sees, as one bar with a legend in tokens and bytes."""
    parts = [(Part(part.name, part.tokens, *STYLES[part.name]), part) for part in found.parts]
    of = "" if found.limit is None else f" of {found.limit}"
    yield Text.assemble(("context", "bold"), (f"  {found.used}{of} tokens, {size(_bytes(found))}", "dim"))
    yield _bar([drawn for drawn, part in parts if part.tokens], min(out.width, WIDEST), out)
    known = [pair for pair in parts if pair[1].tokens or (pair[0].name == "free" and found.limit is not None)]
    yield from legend([(drawn, f"{part.tokens} ({size(part.nbytes)})") for drawn, part in known], out)
    if found.fixed:
        yield Text(f"and {size(found.fixed)} of layers that keep no more however much is said", "dim")
    if any(part.name == "recalled" and part.tokens for part in found.parts):
        yield from out.folded(Text("recalled: put back for the last answer, and taken out again after it", "dim"))


def _bar(parts: Sequence[Part], cells: int, out: Screen) -> Text:
    """To scale, but what is free takes half of it at most, and is broken then."""
    used = [part for part in parts if part.name != "free"]
    free = sum(part.amount for part in parts) - sum(part.amount for part in used)
    if not used or free <= sum(part.amount for part in used):
        return stacked(parts, cells, out)
    side = (cells - cells // 2 - 2) // 2
    half = stacked([parts[-1]], side, out)
    return Text.assemble(stacked(used, cells // 2, out), half, ("//", "dim"), half)


def _bytes(found: Context) -> int:
    return found.fixed + sum(part.nbytes for part in found.parts if part.name != "free")


def tier_lines(sections: Sequence[Section], out: Screen) -> Iterator[Text]:
    """Each tier under a heading that says its size, as a bar of the largest one."""
    most = max((each.nbytes for each in sections), default=0) or 1
    for each in sections:
        yield Text()
        head = rule(each.name, out) if len(sections) == 1 else _head(each, most, out)
        yield head
        for _, value in each.facts:
            yield from out.folded(Text(visible(value)))
        yield from each.more


def _head(each: Section, most: int, out: Screen) -> Text:
    cells = 30 if out.width > 80 else 16
    line = Text.assemble((f"{each.name:<13}", "bold"), f"{size(each.nbytes):>9}  ")
    return line.append_text(bar(each.nbytes / most, cells, out, "green"))
