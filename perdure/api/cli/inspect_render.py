"""`perdure inspect` as text: the context as one bar, then each tier with its size and what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from .. import views
from ..figures import size
from .map_render import block_lines, heat_lines, histogram
from .memory_render import Fact, episode_lines, tier_facts
from .output import visible
from .record_render import native_table, record_table
from .screen import Part, Screen, bar, fitted, one_line, rule, stacked
from .show_render import legend

if TYPE_CHECKING:
    from ...memory import Commit
    from ..inspection import Inspected, Ledger, Seen

STYLES = {
    "system": ("y", "blue"),
    "sinks": ("k", "yellow"),
    "summary": ("s", "color(208)"),
    "window": ("w", "green"),
    "recalled": ("m", "magenta"),
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
    maps = [] if seen.heads is None else [*heat_lines(seen.heads, out), *histogram(report.summary, out)]
    yield Section("working", report.working.nbytes, _facts(seen, "working"), block_lines(seen.blocks or (), out))
    yield Section("episodic", report.episodic.nbytes, _facts(seen, "episodic"), episode_lines(seen.episodes or (), out))
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


def context_lines(seen: Seen, out: Screen) -> Iterator[Text]:
    """What the model sees, as one bar with a legend in tokens and bytes."""
    parts = {name: (tokens, nbytes) for name, tokens, nbytes in _parts(seen)}
    tier = seen.context.working
    of = "" if seen.positions is None else f" of {seen.positions}"
    yield Text.assemble(("context", "bold"), (f"  {tier.entries}{of} tokens, {size(tier.nbytes)}", "dim"))
    drawn = {name: Part(name, amounts[0], *STYLES[name]) for name, amounts in parts.items()}
    yield _bar([part for part in drawn.values() if part.amount], min(out.width, WIDEST), out)
    known = [name for name, part in drawn.items() if part.amount or name == "free"]
    yield from legend([(drawn[name], f"{parts[name][0]} ({size(parts[name][1])})") for name in known], out)
    if seen.context.fixed:
        yield Text(f"and {size(seen.context.fixed)} of layers that keep no more however much is said", "dim")
    if seen.chosen:
        yield from out.folded(Text("recalled: put back for the last answer, and taken out again after it", "dim"))


def _parts(seen: Seen) -> Iterator[tuple[str, int, int]]:
    """Tokens and bytes of each part, with what the last answer alone had, and of what is left free where that is known."""
    found, more = seen.context, sum(each.tokens for each in seen.chosen)
    for part in found.parts:
        pasted = more if part.name == "recalled" else 0
        yield part.name, part.tokens + pasted, part.nbytes + pasted * found.entry
    free = views.free(found.working, None, seen.positions)
    if free is not None:
        yield "free", free, free * found.entry


def _bar(parts: Sequence[Part], cells: int, out: Screen) -> Text:
    """To scale, but what is free takes half of it at most, and is broken then."""
    used = [part for part in parts if part.name != "free"]
    free = sum(part.amount for part in parts) - sum(part.amount for part in used)
    if not used or free <= sum(part.amount for part in used):
        return stacked(parts, cells, out)
    side = (cells - cells // 2 - 2) // 2
    half = stacked([parts[-1]], side, out)
    return Text.assemble(stacked(used, cells // 2, out), half, ("//", "dim"), half)


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
