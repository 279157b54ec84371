"""`perdure show` as text: a commit's facts, what was said in its turn, what that cost, and what memory held then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ..figures import age, size
from .graph_render import labels
from .output import visible
from .render import ROLE_STYLES
from .screen import Column, Part, Screen, bar, columns, one_line, rule, stacked, swatch

if TYPE_CHECKING:
    from ...memory.graph import Node
    from ...memory.inspecting import Memory
    from ...memory.recipe import Recipe
    from ...memory.records import Message
    from ..showing import Shown
    from ..taught import Tier

COSTS = (("restored", "r", "green"), ("reused", "u", "cyan"), ("recalled", "m", "magenta"), ("prefilled", "p", "yellow"))
"""Where the tokens before an answer came from: their names in the receipt, and how they are drawn."""

BAR = 40


def shown_lines(seen: Shown, out: Screen, *, full: bool) -> Iterator[Text]:
    """All of it, the conversation in the middle."""
    commit, earlier = seen.commit, 0 if full else seen.earlier
    yield from head_lines(seen.node, seen.recipe, out)
    yield from talk_lines(seen.messages[earlier:], earlier, out)
    yield from section("merge" if commit.kind == "merge" else "receipt", receipt_lines(commit.metrics, out), out)
    if seen.memory is not None and seen.known is not None:
        yield from section("memory", tier_table(seen.memory, seen.known, seen.snapshots, out), out)


def head_lines(node: Node, recipe: Recipe | None, out: Screen) -> Iterator[Text]:
    """A commit's facts, one a line."""
    commit = node.commit
    first = Text.assemble(("commit ", "dim"), (commit.hex if out.width >= 80 else commit.short, "yellow"))
    yield first.append(" ").append_text(labels(node)) if node.branches or node.tags else first
    made = ", ".join(one_line(part) for part in (commit.kind, commit.reason, commit.author) if part)
    when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(commit.time_ms / 1000))
    facts = [
        ("parents", " ".join(parent.hex()[:10] for parent in commit.parents) or "none"),
        ("made by", made),
        ("time", f"{when} ({age(commit.time_ms)})"),
        ("holds", f"turn {commit.turn}, {commit.messages} messages, {commit.tokens} tokens"),
        ("added", _added(node)),
        ("recipe", f"{commit.recipe.hex()[:10]}  {_recipe(recipe)}".rstrip()),
    ]
    for name, value in facts:
        yield from out.folded(Text.assemble((f"{name:<8} ", "dim"), visible(value)))


def _added(node: Node) -> str:
    """The bytes in all, and by tier."""
    parts = ", ".join(f"{tier} {size(nbytes)}" for tier, nbytes in node.added.items() if nbytes)
    return f"{size(node.nbytes)}: {parts}" if parts else "nothing"


def _recipe(recipe: Recipe | None) -> str:
    """Those parts of a recipe that people name."""
    parts = {} if recipe is None else recipe.to_meta()
    named = [parts[name] for name in ("dtype", "quantisation", "device", "capability") if parts.get(name)]
    versions = [f"{name} {parts[name]}" for name in ("torch", "transformers") if name in parts]
    weights = [f"weights {parts['weights'][:10]}"] if "weights" in parts else []
    return ", ".join([*weights, *named, *versions])


def talk_lines(messages: Sequence[Message], earlier: int, out: Screen) -> Iterator[Text]:
    """Messages, folded; `earlier` ones are only counted."""
    if earlier:
        yield Text()
        yield Text(f"{earlier} earlier message{'' if earlier == 1 else 's'}; --full shows all", "dim")
    for message in messages:
        role = one_line(message.role)
        yield Text()
        yield Text(role, ROLE_STYLES.get(role, "bold"))
        yield from out.folded(Text(visible(message.content)))


def receipt_lines(metrics: Mapping[str, object], out: Screen) -> Iterator[Text]:
    """What a turn cost: where the tokens before its answer came from, as one bar, and what was generated."""
    counts = {name: value for name, value in metrics.items() if isinstance(value, int)}
    parts = [Part(name, counts.get(name, 0), sign, style) for name, sign, style in COSTS]
    if not sum(part.amount for part in parts):
        yield Text(", ".join(f"{one_line(name).replace('_', ' ')} {value}" for name, value in counts.items()))
        return
    yield stacked(parts, min(BAR, out.width), out)
    yield from legend([(part, f"{part.amount:g}") for part in parts], out)
    drawn = {part.name for part in parts}
    others = [f"{one_line(name)} {counts[name]}" for name in counts if name not in drawn and counts[name]]
    if others:
        yield Text(", ".join(others), "dim")


def legend(parts: Iterable[tuple[Part, str]], out: Screen) -> Iterator[Text]:
    """What each part of a bar is: its sign, its name and a figure, as many on a line as fit."""
    line = Text()
    for part, figure in parts:
        item = Text.assemble((swatch(part, out), part.style), f" {part.name} {figure}")
        if line.plain and line.cell_len + 3 + item.cell_len > out.width:
            yield line
            line = Text()
        line.append("   " if line.plain else "").append_text(item)
    if line.plain:
        yield line


SHAPE = (Column("TIER"), Column("SIZE", right=True), Column("", rank=1), Column("HOLDS", least=24))


def tier_table(report: Memory, known: Tier, snapshots: Sequence[int], out: Screen) -> Iterator[Text]:
    """One line for each tier with its size as a bar."""
    working, episodic, summary = report.working, report.episodic, report.summary
    listed = [
        ("working", working.nbytes, f"{working.window} tokens, {working.sinks} sinks, {working.summary} of a summary"),
        ("summary", summary.nbytes, f"{summary.backend}, {summary.distinct} tokens" if summary.digest else "nothing"),
        ("episodic", episodic.nbytes, f"{episodic.memories} memories, {episodic.tokens} tokens"),
        ("fast-weights", known.nbytes, f"{known.records} records, {known.own} its own"),
        ("snapshots", sum(snapshots), f"{len(snapshots)} on disk"),
    ]
    most, wide = max(nbytes for _, nbytes, _ in listed) or 1, 20 if out.width > 80 else 8
    cells = [
        [Text(name, "bold"), Text(size(nbytes)), bar(nbytes / most, wide, out, "green"), Text(holds, "dim")]
        for name, nbytes, holds in listed
    ]
    return columns(SHAPE, cells, out)


def section(title: str, lines: Iterable[Text], out: Screen) -> Iterator[Text]:
    """A heading, and what stands under it; nothing where there is nothing."""
    found = list(lines)
    if found:
        yield Text()
        yield rule(title, out)
        yield from found
