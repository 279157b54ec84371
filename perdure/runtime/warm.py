"""What a session holds in memory while it is warm, and what of it the next commit adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from torch import Tensor

from ..config import CheckpointOptions
from ..memory.checkpoints import PROMPT, retained
from ..memory.draft import NewBlock, NewSnapshot
from ..memory.events import Event, salt
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
from .encoding import block_meta, pack_snapshot, pack_summary, raw
from .engine import Brought, Engine
from .forwards import Boundary
from .state.base import FULL, Group, Snapshot, State
from .state.paging import hosted


class Pending(NamedTuple):
    """A snapshot that no commit holds yet, and its place."""

    mark: Checkpoint
    snapshot: Snapshot


class Captured(NamedTuple):
    """A block whose bytes were taken before its tokens moved or left: of the full group, and of a sliding one."""

    span: Span
    full: bytes
    window: bytes


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
    events: list[Event] = field(default_factory=list)
    told: int = 0
    """How many of the events are in the branch."""
    captured: list[Captured] = field(default_factory=list)
    archived: int = 0
    """Messages up to this token are remembered as episodes."""

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

    @property
    def taken(self) -> int:
        """The first token whose bytes are neither stored nor captured."""
        return self.captured[-1].span.end if self.captured else self.stored

    def capture(self, upto: int, engine: Engine) -> None:
        """Take the bytes of blocks before token `upto` that no commit holds yet."""
        window, spans = sliding(engine), list(blocks(self.taken, upto))
        full = Outgoing(self.state, Group(FULL), spans, engine)
        slid = Outgoing(self.state, window, spans, engine) if window else None
        for span in spans:
            self.captured.append(Captured(span, bytes(full.take(span)), b"" if slid is None else bytes(slid.take(span))))

    @property
    def held_bytes(self) -> int:
        """Bytes of captured blocks that wait in memory for the commit."""
        return sum(len(item.full) + len(item.window) for item in self.captured)

    def spilled(self, found: Additions, written: Mapping[Digest, Digest]) -> None:
        """The captured blocks are in the store (`written`, by lineage): only their names and digests are kept here."""
        for known, parts in ((self.known, found.blocks), (self.known_windows, found.windows or ())):
            for item, block in zip(self.captured, parts, strict=False):
                known[item.span.start] = (block.lineage, block.digest or written[block.lineage])
        self.captured = [Captured(item.span, b"", b"") for item in self.captured]

    def happen(self, event: Event, engine: Engine, brought: Brought = ()) -> None:
        """Let an event happen to the state, and note it."""
        engine.happen(self.state, event, brought)
        self.events.append(event)

    def mark(self, kind: str, turn: int, options: CheckpointOptions) -> None:
        """Take a snapshot here, for a family that needs them, and let go of those that would not be kept anyway."""
        here = any(old.mark.position == self.state.seen for old in self.pending)
        snapshot = None if here and kind == PROMPT else self.state.snapshot()
        if snapshot is None:
            return
        self.pending = [old for old in self.pending if old.mark.position != snapshot.position]
        size = snapshot.nbytes + (0 if snapshot.summary is None else snapshot.summary.nbytes)
        self.pending.append(Pending(Checkpoint(snapshot.position, kind, turn, size, b""), snapshot))
        kept = {mark.position for mark in retained([item.mark for item in self.pending], options)}
        self.pending = [item for item in self.pending if item.mark.position in kept]

    def saved(self) -> None:
        """All of it is in the store now."""
        self.committed = self.stored = self.state.seen
        self.known.clear()
        self.known_windows.clear()
        self.pending.clear()
        self.captured.clear()
        self.told = len(self.events)
        self.state.settle(self.stored)


class Outgoing:
    """The bytes of blocks of a group, brought to the host when they are asked for, as many as one wait is enough for."""

    def __init__(self, state: State, group: Group, spans: Sequence[Span], engine: Engine) -> None:
        self._state, self._group, self._spans = state, group, list(spans)
        self._staging = engine.adapter.staging
        self._here: dict[Span, Tensor] = {}

    def take(self, span: Span) -> memoryview:
        """The bytes of one of the blocks; asked for in their order, each costs its share of a wait."""
        if span not in self._here:
            count = self._staging.at_once(self._state.nbytes(self._group, span.end - span.start))
            wanted = [span, *[other for other in self._spans if other.start > span.start][: count - 1]]
            self._here = dict(zip(wanted, self._state.exported(self._group, wanted), strict=True))
        return raw(self._here.pop(span))


class Additions(NamedTuple):
    """What the next commit adds: blocks, those of sliding layers (None: the model has none), snapshots, the last lineage."""

    blocks: list[NewBlock]
    windows: list[NewBlock] | None
    snapshots: list[NewSnapshot]
    tip: Digest


def additions(warm: Warm, recipe: Digest, engine: Engine, how: str) -> Additions:
    """Everything computed that no commit holds yet. Bytes are made when they are asked for."""
    places = [*(item.span for item in warm.captured), *blocks(warm.taken, warm.state.seen)]
    forwards, names = _named(warm, recipe, places)
    full, slid = _blocks(warm, engine, names)
    chain = {span.end: name for span, name in names.items()} | {warm.stored: warm.tip}
    snapshots = [
        _new_snapshot(item, _name_at(item.mark.position, chain, recipe, warm, forwards), engine, how)
        for item in warm.pending
    ]
    return Additions(full, slid, snapshots, chain[warm.state.seen])


def captured(warm: Warm, recipe: Digest, engine: Engine) -> Additions:
    """The captured blocks alone, to be written before the commit."""
    _, names = _named(warm, recipe, [item.span for item in warm.captured])
    full, slid = _blocks(warm, engine, names)
    return Additions(full, slid, [], b"")


def _named(warm: Warm, recipe: Digest, places: Sequence[Span]) -> tuple[list[Span], dict[Span, Digest]]:
    """The forwards since the last stored block, and the lineage ids of the blocks at these places."""
    forwards = list(spans(run for run in warm.runs if run.end > warm.stored))
    return forwards, lineages(recipe, warm.tip, warm.tokens, forwards, places, partial(salt, warm.events))


def _blocks(warm: Warm, engine: Engine, names: Mapping[Span, Digest]) -> tuple[list[NewBlock], list[NewBlock] | None]:
    window, group = sliding(engine), Group(FULL)
    full = _group_blocks(warm, engine, group, names, warm.known, {item.span: item.full for item in warm.captured})
    if window is None:
        return full, None
    slid = {span: derived(name, WINDOWS) for span, name in names.items()}
    held = {item.span: item.window for item in warm.captured}
    return full, _group_blocks(warm, engine, window, slid, warm.known_windows, held)


def _group_blocks(
    warm: Warm,
    engine: Engine,
    group: Group,
    names: Mapping[Span, Digest],
    known: Mapping[int, tuple[Digest, Digest]],
    held: Mapping[Span, bytes],
) -> list[NewBlock]:
    here = [span for span in names if span not in held and span.start not in known]
    rest = Outgoing(warm.state, group, here, engine)
    return [_block(warm, group, span, name, known, held, rest) for span, name in names.items()]


def sliding(engine: Engine) -> Group | None:
    """The group of layers with a sliding window, for a family that has some."""
    return next((group for group in engine.adapter.groups if group.window is not None), None)


def _block(
    warm: Warm,
    group: Group,
    span: Span,
    name: Digest,
    known: Mapping[int, tuple[Digest, Digest]],
    held: Mapping[Span, bytes],
    rest: Outgoing,
) -> NewBlock:
    count = span.end - span.start
    digest = known[span.start][1] if span.start in known else None
    return NewBlock(
        count,
        name,
        block_meta(warm.state, group, span.start, count),
        lambda: held[span] if span in held else rest.take(span),
        digest,
    )


def _new_snapshot(item: Pending, name: Digest, engine: Engine, how: str) -> NewSnapshot:
    snapshot = hosted(item.snapshot, engine.adapter.staging)
    meta, payload = pack_snapshot(snapshot, engine, how)
    kept = snapshot.summary
    return NewSnapshot(item.mark, name, meta, lambda: payload, None if kept is None else pack_summary(kept))


def _name_at(position: int, chain: Mapping[int, Digest], recipe: Digest, warm: Warm, forwards: Sequence[Span]) -> Digest:
    """The lineage id of the state after `position` tokens, which may lie inside a block."""
    if position not in chain:
        start = max((end for end in chain if end < position), default=0)
        part = Span(start, position)
        made_by, log = overlapping(forwards, part), warm.tokens[start:position]
        block = lineage(recipe, chain.get(start, b""), log, made_by, salt(warm.events, start, position))
    else:
        block = chain[position]
    return derived(block, SNAPSHOTS)
