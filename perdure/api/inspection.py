"""What `perdure inspect` tells of a session's memory, read from a store: no model is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import blocks, modelfiles, probes, recalling, reports, taught, views, wiring
from .origins import Origins, origins

if TYPE_CHECKING:
    from ..memory import Repository
    from ..memory.context import Context
    from ..memory.episodes import Episode
    from ..memory.heads import Heads
    from ..memory.inspecting import Memory
    from ..memory.native import Native
    from ..memory.records import Commit

Tier = Literal["working", "episodic", "summary", "fast-weights"]


class Seen(NamedTuple):
    """What a model sees, what the last answer had before it besides, and how many positions it has (None: not known)."""

    context: Context
    chosen: Sequence[recalling.Chosen]
    positions: int | None


class Ledger(NamedTuple):
    """The records that count, where they are from, whether more than one ledger counts, and layers that are such."""

    known: Sequence[taught.Known]
    left: Origins
    branches: bool
    natives: Sequence[Native]


class Inspected(NamedTuple):
    """A commit's memory, all of it or (`tier`) one tier, with what is listed of that one (None: of the others)."""

    name: str
    commit: Commit
    tier: Tier | None
    report: Memory
    known: taught.Tier
    context: Seen | None
    blocks: Sequence[blocks.Held] | None
    heads: Heads | None
    episodes: Sequence[Episode] | None
    ledger: Ledger | None


def inspected(history: Repository, session: str, at: str | None, tier: Tier | None) -> Inspected:
    """What there is to see. Raises SessionNotFound, RevisionNotFound, ObjectMissing or ObjectCorrupt."""
    commit = history.resolve(session) if at is None else history.resolve(at, session)
    ledgers = taught.ledgers(history, session, commit)
    report = history.inspect(commit)
    return Inspected(
        session,
        commit,
        tier,
        report,
        taught.tier(history, ledgers),
        _context(history, commit) if tier in (None, "working") else None,
        blocks.held(history, commit, session) if tier == "working" else None,
        history.summary_heads(commit) if tier == "summary" else None,
        _episodes(history, commit) if tier == "episodic" else None,
        _ledger(history, commit, ledgers) if tier == "fast-weights" else None,
    )


def _context(history: Repository, commit: Commit) -> Seen:
    folder = wiring.model_folder(modelfiles.model_of(history.sessions(), commit))
    return Seen(history.context(commit), recalling.chosen(history, commit), modelfiles.context_length(folder))


def _episodes(history: Repository, commit: Commit) -> list[Episode]:
    return history.episodes([entry.digest for entry in history.remembered(commit)])


def _ledger(history: Repository, commit: Commit, ledgers: Sequence[taught.Ledger]) -> Ledger:
    known = taught.opened(history, taught.rows(ledgers))
    return Ledger(known, origins(history, [each.record for each in known]), len(ledgers) > 1, history.natives(commit))


def shape(history: Repository, seen: Inspected) -> dict[str, Any]:
    """What this adds to a commit's JSON."""
    return dict(_members(history, seen))


def _members(history: Repository, seen: Inspected) -> Iterator[tuple[str, Any]]:
    for name, tier in reports.memory(seen.report, seen.known).items():
        if seen.tier in (None, name):
            yield name, tier
    if seen.context is not None:
        found, chosen, positions = seen.context
        parts = [views.part(each) for each in found.parts]
        yield "context", {"parts": parts, **views.context(found, chosen, None, positions)}
    if seen.blocks is not None:
        yield "blocks", blocks.listed(history, seen.commit, seen.blocks)
    if seen.heads is not None:
        yield "heads", probes.heads(seen.heads, None)
    if seen.episodes is not None:
        yield "listed", [reports.episode(each) for each in seen.episodes]
    if seen.ledger is not None:
        known = [reports.known(each, seen.ledger.left) for each in seen.ledger.known]
        yield "listed", [*known, *map(reports.native, seen.ledger.natives)]
