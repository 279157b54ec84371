"""Fast weights as text for a terminal: records, what a turn opened, what a consolidation did, ledgers compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ..figures import age, size
from ..reports import later
from .output import styled, visible
from .render import plain_table

if TYPE_CHECKING:
    from ...memory.fastweights import Comparison, Conflict, Record, Refusal
    from ...memory.native import Native
    from ...runtime.teaching import Outcome
    from ..lessons import Lesson
    from ..origins import Origins
    from ..recalling import Told
    from ..taught import Known, Mounted, Profile, Tier


def weights_facts(tier: Tier) -> Iterator[tuple[str, str]]:
    """The lines about what is known by fast weights."""
    superseded = f" ({tier.superseded} superseded)" if tier.superseded else ""
    if tier.records:
        yield "fast-weights", f"{records(tier.records)}{superseded}, {size(tier.nbytes)}; {tier.own} its own"
    else:
        yield "fast-weights", "nothing yet: `perdure consolidate` writes into them what the user said"
    if tier.source_deleted:
        yield "", f"{records(tier.source_deleted)} from a session or commit that is deleted; what they say counts as before"
    for each in tier.mounts:
        yield "", f"mounts {each.name}: {_mounted(each)}"


def _mounted(each: Mounted) -> str:
    return "not there any more" if each.missing else f"{records(each.records)}, {size(each.nbytes)}"


def record_table(known: Sequence[Known], left: Origins, branches: bool = False) -> Table:
    """Records with what each is worth and where it is from; with `branches`, who holds it."""
    holders = ["HELD BY"] if branches else []
    table = plain_table("ID", "FORM", "SIZE", "RECALL", "STATE", *holders, "SAID", "STATEMENT", right={2, 3})
    for item in known:
        record = item.record
        table.add_row(
            Text(record.id, "yellow"),
            styled(record.form),
            size(record.nbytes),
            percent(record.measured.get("recall")),
            styled(state(item), "" if item.holder is None else "magenta"),
            *([styled(", ".join(item.branches), "bold cyan")] if branches else []),
            styled(said(record, left), "dim"),
            styled(record.statement),
        )
    return table


def state(item: Known) -> str:
    """Whether a record holds, and what does in its place."""
    if item.holder is None:
        return "holds"
    return f"{'contradicted' if item.contradicted else 'superseded'} by {item.holder.id}"


def said(record: Record, left: Origins) -> str:
    """Where a fact was said: a session, by the beginning of its uid if it is gone, its turn, and whether that is deleted."""
    return ", ".join(
        f"{left.sessions.get(each.session) or each.session[:8]}@turn:{each.turn}"
        f"{' (deleted)' if left.deleted(record, each) else ''}"
        for each in record.sources
    )


def native_table(natives: Sequence[Native]) -> Table:
    """Layers whose states are fast weights by nature."""
    table = plain_table("LAYER", "KIND", "SHAPE", "DTYPE", "SIZE", "NORM", "TOKEN", right={4, 5, 6})
    for each in natives:
        shape = " x ".join(str(length) for length in each.shape)
        numbers = size(each.nbytes), f"{each.norm:.4g}", str(each.position)
        table.add_row(Text(each.layer, "yellow"), "native", shape, each.dtype, *numbers)
    return table


def profile_table(profiles: Sequence[Profile]) -> Table:
    table = plain_table("NAME", "RECORDS", "SUPERSEDED", "SIZE", "UPDATED", "MODEL", right={1, 2, 3})
    for each in profiles:
        counts = str(each.records), str(each.superseded), size(each.nbytes)
        table.add_row(styled(each.info.name, "bold"), *counts, age(each.info.updated_ms), styled(each.info.model))
    return table


def outcome_table(outcomes: Sequence[Outcome], refused: Sequence[Refusal] = ()) -> Table:
    """What became of each fact: kept, or why not."""
    table = plain_table("RECORD", "RECALL", "STATEMENT", "KEPT", "REPLACES", right={1})
    for each in outcomes:
        kept = styled("kept", "green") if each.record is not None else styled(each.why, "magenta")
        name = Text(each.record.id if each.record is not None else "-", "yellow")
        recall = percent(None if each.worth is None else each.worth.recall)
        table.add_row(name, recall, styled(each.fact.statement), kept, styled(each.replaces))
    for refusal in refused:
        table.add_row(Text("-", "yellow"), "", styled(refusal.statement), styled(refused_before(refusal.why), "magenta"), "")
    return table


def refused_before(why: str) -> str:
    return f"refused before: {why}"


def lesson_table(lessons: Sequence[Lesson]) -> Table:
    """Facts that were found, before any is written."""
    table = plain_table("TURN", "STATE", "ASKED", "STATEMENT", right={0})
    for each in lessons:
        asked = "to be remembered" if each.explicit else ""
        state = refused_before(each.why) if each.why else each.state
        table.add_row(str(each.turn), styled(state), styled(asked, "dim"), styled(each.fact.statement))
    return table


def comparison_text(found: Comparison, ours: str, theirs: str) -> Text:
    """What two ledgers share, what each holds alone, and where they contradict each other."""
    lines = [
        Text.assemble(("--- ", "red"), f"{visible(ours)}: {records(len(found.ours))} alone"),
        Text.assemble(("+++ ", "green"), f"{visible(theirs)}: {records(len(found.theirs))} alone"),
        styled(f"  {records(len(found.both))} in both", "dim"),
        *_marked(found.ours, "- ", "red"),
        *_marked(found.theirs, "+ ", "green"),
        *conflict_lines(found.conflicts, ours, theirs),
    ]
    return Text("\n").join(lines)


def conflict_lines(conflicts: Iterable[Conflict], ours: str, theirs: str) -> Iterator[Text]:
    """Both values of each conflict, and the one that holds where the ledgers are one."""
    for each in conflicts:
        words = f"! {ours} has {each.ours.value!r}, {theirs} has {each.theirs.value!r}; "
        holds = f"{later(each).value!r} is the later word. {later(each).statement}"
        yield styled(words + holds, "magenta")


def _marked(found: Iterable[Record], mark: str, style: str) -> Iterator[Text]:
    return (styled(f"{mark}{record.id}  {record.statement}", style) for record in found)


def opened_line(story: Told) -> str:
    """What an answer knew by fast weights, on one line below its receipt."""
    return f"knew {' '.join(item.statement for item in story.opened)}"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def records(count: int) -> str:
    """A number of records in words."""
    return f"{count} record{'' if count == 1 else 's'}"
