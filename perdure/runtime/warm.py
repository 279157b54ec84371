"""What a session holds in memory while it is warm, and what of it the next commit adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..config import CheckpointOptions
from ..memory.checkpoints import PROMPT, retained
from ..memory.draft import NewBlock, NewSnapshot
from ..memory.records import Checkpoint, Message
from ..memory.tokenlog import (
    DECODE,
    SNAPSHOTS,
    WINDOWS,
    Run,
    Span,
    blocks,
    derived,
    lineage,
    lineages,
    overlapping,
    spans,
    tokens,
)
from ..stores.base import Digest
from .encoding import block_meta, pack_snapshot, raw
from .engine import Boundary, Engine
from .state.base import FULL, Group, Snapshot, State


class Pending(NamedTuple):
    """A snapshot that no commit holds yet, and its place."""

    mark: Checkpoint
    snapshot: Snapshot


@dataclass(slots=True)
class Warm:
    """A session's working state.

    The first `committed` tokens of `runs` are in the branch's token log, the first `stored` in its blocks (fewer after a
    rewind into a block); `tip` is the lineage id of the last of those. `known` maps the starts of further blocks that were
    taken over from the store to (lineage, digest), `known_windows` the same of sliding layers.
    """

    state: State
    runs: list[Run]
    messages: list[Message]
    committed: int
    tip: Digest
    stored: int = 0
    boundary: Boundary | None = None
    known: dict[int, tuple[Digest, Digest]] = field(default_factory=dict)
    known_windows: dict[int, tuple[Digest, Digest]] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)

    @property
    def tokens(self) -> list[int]:
        return tokens(self.runs)

    def fed(self, how: str, values: Sequence[int]) -> None:
        """Note tokens that the state has absorbed; decoded tokens extend a decode run."""
        if how == DECODE and self.runs and self.runs[-1].how == DECODE and self.runs[-1].start >= self.committed:
            last = self.runs.pop()
            values = (*last.tokens, *values)
        self.runs.append(Run(how, self.state.seen - len(values), tuple(values)))

    def new_runs(self) -> list[Run]:
        """The runs that no commit holds yet."""
        return [run for run in self.runs if run.start >= self.committed]

    def mark(self, kind: str, turn: int, options: CheckpointOptions) -> None:
        """Take a snapshot here, for a family that needs them, and let go of those that would not be kept anyway."""
        here = any(old.mark.position == self.state.seen for old in self.pending)
        snapshot = None if here and kind == PROMPT else self.state.snapshot()
        if snapshot is None:
            return
        self.pending = [old for old in self.pending if old.mark.position != snapshot.position]
        self.pending.append(Pending(Checkpoint(snapshot.position, kind, turn, snapshot.nbytes, b""), snapshot))
        kept = {mark.position for mark in retained([item.mark for item in self.pending], options)}
        self.pending = [item for item in self.pending if item.mark.position in kept]

    def saved(self) -> None:
        """All of it is in the store now."""
        self.committed = self.stored = self.state.seen
        self.known.clear()
        self.known_windows.clear()
        self.pending.clear()
        self.state.settle(self.stored)


class Additions(NamedTuple):
    """What the next commit adds: blocks, those of sliding layers (None: the model has none), snapshots, the last lineage."""

    blocks: list[NewBlock]
    windows: list[NewBlock] | None
    snapshots: list[NewSnapshot]
    tip: Digest


def additions(warm: Warm, recipe: Digest, engine: Engine, how: str) -> Additions:
    """Everything computed that no commit holds yet. Bytes are made when they are asked for."""
    log, forwards = warm.tokens, list(spans(run for run in warm.runs if run.end > warm.stored))
    names = lineages(recipe, warm.tip, log, forwards, list(blocks(warm.stored, warm.state.seen)))
    window = next((group for group in engine.adapter.groups if group.window is not None), None)
    full = [_block(warm, Group(FULL), span, name, warm.known) for span, name in names.items()]
    slid = (
        [_block(warm, window, span, derived(name, WINDOWS), warm.known_windows) for span, name in names.items()]
        if window
        else None
    )
    chain = {span.end: name for span, name in names.items()} | {warm.stored: warm.tip}
    snapshots = [
        NewSnapshot(item.mark, _name_at(item.mark.position, chain, recipe, log, forwards), *_packed(item, engine, how))
        for item in warm.pending
    ]
    return Additions(full, slid, snapshots, chain[warm.state.seen])


def _block(warm: Warm, group: Group, span: Span, name: Digest, known: Mapping[int, tuple[Digest, Digest]]) -> NewBlock:
    count = span.end - span.start
    digest = known[span.start][1] if span.start in known else None
    return NewBlock(
        count,
        name,
        block_meta(warm.state, group, span.start, count),
        lambda: raw(warm.state.export(group, span.start, span.end)),
        digest,
    )


def _packed(item: Pending, engine: Engine, how: str) -> tuple[Mapping[str, Any], Any]:
    meta, payload = pack_snapshot(item.snapshot, engine, how)
    return meta, lambda: payload


def _name_at(
    position: int, chain: Mapping[int, Digest], recipe: Digest, log: Sequence[int], forwards: Sequence[Span]
) -> Digest:
    """The lineage id of the state after `position` tokens, which may lie inside a block."""
    if position not in chain:
        start = max((end for end in chain if end < position), default=0)
        part = Span(start, position)
        block = lineage(recipe, chain.get(start, b""), log[start:position], overlapping(forwards, part))
    else:
        block = chain[position]
    return derived(block, SNAPSHOTS)
