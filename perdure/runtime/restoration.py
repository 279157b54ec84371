"""Bringing a stored state back: at a commit's end or anywhere before it, with what is damaged computed again."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..config import BLOCK_TOKENS
from ..memory import events
from ..memory.events import Event
from ..memory.records import Commit
from ..memory.repository import Repository
from ..memory.tokenlog import WINDOWS, Run, Span, crop, derived, lineages, overlapping, spans, tokens
from ..memory.working import WHOLE, Placement
from ..stores.base import Digest
from .encoding import block_meta, load_block, opened, raw, unpack_boundary
from .engine import Engine, Script
from .forwards import Boundary
from .pasting import Pastes
from .state.base import FULL, Group, Snapshot, State
from .warm import Warm


class Damage(NamedTuple):
    """A stored block that could not be trusted."""

    group: Group
    span: Span
    digest: Digest


class Restoration:
    """Fills a state from what a commit has stored, up to `position` (default: all of it).

    A state that is more than the KV of every token goes on from the nearest snapshot before, and the forwards from there
    are run again. Damaged blocks are recomputed through the very forwards that made them. `bytes` were read, `replayed`
    tokens were computed again, `notes` say what was mended.
    """

    def __init__(self, repository: Repository, engine: Engine, commit: Commit, position: int | None = None) -> None:
        self._repository = repository
        self._engine = engine
        self._commit = commit
        self._end = commit.tokens if position is None else position
        self._runs: list[Run] = crop(repository.runs(commit), self._end)
        self._log = tokens(self._runs)
        self._forwards = list(spans(self._runs))
        every = repository.events(commit)
        self._events = every if position is None else events.crop(every, self._end)
        origin = repository.origin(repository.recipe(commit)) if self._events else b""
        self._script = Script(self._log, self._events, Pastes(repository, engine, origin).brought)
        self.bytes = 0
        self.replayed = 0
        self.notes: list[str] = []

    def run(self) -> Warm:
        """The session's working state at the position, which must be where a forward ended."""
        snapshot = self._nearest(self._end) if self._needs_snapshot else None
        start, happened = self._start(snapshot)
        state = self._engine.adapter.new()
        bad = self._load(state, start, snapshot.place if snapshot else WHOLE, happened)
        if bad or self._has_holes(start):
            state.release()
            if self._events:
                state = self._again()
                self._engine.settle(state, self._script)
                return self._warm(state)
            state = self._whole(start, happened)
        self._enter(state, snapshot, start, happened)
        self._replay(state, start, self._end)
        self._engine.settle(state, self._script)
        if start < self._end == self._commit.tokens:
            self.notes.append(
                f"No snapshot of the state after {self._end} tokens was kept, or it was damaged; "
                f"{self._end - start} tokens were computed again."
            )
        return self._warm(state)

    def _has_holes(self, start: int) -> bool:
        """Whether a head lacks blocks that its state does not need, which a repair left to be computed again."""
        if not self._events or self._end < self._commit.tokens:
            return False
        # A head always has its snapshot. Where that is gone, what nobody has read since may be damaged too.
        return self._repository.holes(self._commit) or (start < self._end and bool(self._all_damage()))

    def cut(self, state: State) -> Warm:
        """The same from a state in memory that can forget what came after the position."""
        state.crop(self._end)
        state.happened, state.opened = len(self._events), None
        return self._warm(state)

    def _warm(self, state: State) -> Warm:
        stored, tip = self._last_block()
        told = len(self._events)
        return Warm(state, self._runs, [], self._end, tip, stored, events=list(self._events), told=told)

    @property
    def _needs_snapshot(self) -> bool:
        return self._engine.adapter.fixed or events.bounded_from(self._events) is not None

    def _start(self, snapshot: Snapshot | None) -> tuple[int, int]:
        """From where the forwards are run again, and how many events have happened until there."""
        if snapshot is not None:
            return snapshot.position, snapshot.meta.get("happened", events.settled(self._events, snapshot.position))
        if self._engine.adapter.fixed:
            return 0, 0
        bounded = (i for i, event in enumerate(self._events) if event.kind in events.BOUNDING)
        first = next(bounded, None)
        return (self._end, len(self._events)) if first is None else (self._events[first].position, first)

    def boundary(self, warm: Warm) -> Boundary | None:
        """The stored boundary if it reproduces the logits' digest, else the last forward again."""
        commit = self._commit
        if not commit.tokens or commit.state is None:
            return None
        stored = self._repository.boundary(commit)
        if stored is not None:
            boundary = unpack_boundary(self._engine, *stored)
            if boundary.digest == commit.state.logits:
                return boundary
        self.notes.append("The boundary logits were damaged or missing; they were computed again.")
        return self._last_forward(warm)

    def _last_forward(self, warm: Warm) -> Boundary | None:
        last = self._forwards[-1]
        if not self._events and not self._engine.adapter.fixed and warm.state.holds(last.start):
            self.replayed += last.end - last.start
            boundary = self._engine.replay(warm.state, self._script, [last])
            warm.state.seen = self._commit.tokens
            return boundary
        start = min(last.start, events.begun_before(self._events, last.start))
        before = Restoration(self._repository, self._engine, self._commit, start)
        state = before.run().state
        state.happened = sum(event.position < start for event in self._events)
        boundary = self._engine.replay(state, self._script, [span for span in self._forwards if span.start >= start])
        state.release()
        self.replayed += before.replayed + self._end - start
        return boundary

    # snapshots

    def _nearest(self, position: int) -> Snapshot | None:
        """The last snapshot at or before a position that can be read."""
        for mark in reversed(self._repository.present(self._commit)):
            if mark.position > position:
                continue
            found = self._repository.snapshot(mark.digest)
            if found is not None:
                self.bytes += found.nbytes
                self._note_error(found.meta.get("error"))
                return opened(found, self._engine)
        return None

    def _note_error(self, error: object) -> None:
        if isinstance(error, float):
            self.notes.append(f"The state was restored from rounded numbers (int8, relative error {error:.2g}).")

    def _enter(self, state: State, snapshot: Snapshot | None, start: int, happened: int) -> None:
        if snapshot is not None and state.seen != start:
            state.put_back(snapshot)
        state.seen, state.happened = start, happened

    def _replay(self, state: State, start: int, end: int) -> None:
        again = [span for span in self._forwards if start <= span.start and span.end <= end]
        self._engine.replay(state, self._script, again)
        self.replayed += end - start

    # blocks

    def _load(self, state: State, end: int, place: Placement, happened: int) -> list[Damage]:
        """Fill the state with what a forward after `end` tokens reads; returns what could not be read."""
        state.open(end, place)
        damaged = []
        for group in self._groups():
            # Whole multiples of a block, as `open` made room for: what is there may be gone back to (`State.holds`).
            start = 0 if state.whole else group.floor(end) // BLOCK_TOKENS * BLOCK_TOKENS
            start = place.oldest if group.window is None else start
            damaged += self._load_group(state, group, start, end, happened)
        return damaged

    def _load_group(self, state: State, group: Group, start: int, end: int, happened: int) -> list[Damage]:
        def take(at: int, n: int, payload: memoryview) -> None:
            load_block(state, group, at, n, payload, events.shifts(self._events[:happened], at + n))

        windows = group.window is not None
        found = self._repository.restore(self._commit, take, windows=windows, start=start, end=end)
        self.bytes += found.bytes
        return [Damage(group, Span(at, at + n), digest) for at, n, digest in found.damaged]

    def _groups(self) -> list[Group]:
        """The full group always: where nothing belongs to it its blocks are empty, and are mended like all others."""
        return sorted({Group(FULL), *self._engine.adapter.groups})

    def _last_block(self) -> tuple[int, Digest]:
        """Where the last block ends that lies wholly before the position, and its lineage id."""
        commit = self._commit
        if self._end == commit.tokens and commit.state is not None:
            return self._end, commit.state.lineage
        whole = [span for span in self._places() if span.end <= self._end]
        return (whole[-1].end, self._names()[whole[-1]]) if whole else (0, b"")

    def _places(self) -> list[Span]:
        return [Span(start, start + n) for start, n, _ in self._repository.blocks(self._commit)]

    def _names(self) -> dict[Span, Digest]:
        origin = self._repository.origin(self._repository.recipe(self._commit))
        return lineages(origin, b"", self._log, self._forwards, self._places(), partial(events.salt, self._events))

    # damage

    def _whole(self, end: int, happened: int) -> State:
        """A state that keeps every token of its windows, all of it loaded, and its damaged parts computed again."""
        state = self._engine.adapter.new(whole=True)
        damaged = self._load(state, end, WHOLE, happened)
        touched = [span for span in self._forwards if any(overlapping([span], item.span) for item in damaged)]
        at = -1
        for span in touched:
            if at != span.start:
                self._go_to(state, span.start)
            self._engine.replay(state, self._script, [span])
            self.replayed += span.end - span.start
            at = span.end
        self._mend_all(state, damaged)
        return state

    def _again(self) -> State:
        """Everything from the first token: where blocks were evicted or moved, damaged ones are mended on the way."""
        state, left = self._engine.adapter.new(whole=True), self._all_damage()

        def before(event: Event) -> None:
            if event.kind == events.EVICT:
                mend()

        def mend() -> None:
            ready = [item for item in left if item.span.end <= state.seen]
            self._mend_all(state, ready)
            left[:] = [item for item in left if item not in ready]

        self._engine.replay(state, self._script, self._forwards, before)
        self.replayed += self._end
        mend()
        return state

    def _all_damage(self) -> list[Damage]:
        found = []
        for group in self._groups():
            windows = group.window is not None
            bad = self._repository.restore(self._commit, lambda *_: None, windows=windows, end=self._end).damaged
            found += [Damage(group, Span(at, at + n), digest) for at, n, digest in bad]
        return found

    def _mend_all(self, state: State, damaged: list[Damage]) -> None:
        names = self._names()
        for item in damaged:
            # A block that goes on beyond the position is not complete here; it is mended where it is needed whole.
            if item.span.end <= self._end:
                self._mend(state, item, names[item.span])

    def _go_to(self, state: State, position: int) -> None:
        """Bring the fixed part to a position whose tokens are all in the slabs."""
        if not self._engine.adapter.fixed:
            state.seen = position
            return
        snapshot = self._nearest(position)
        if snapshot is None:
            state.crop(0)
        self._enter(state, snapshot, snapshot.position if snapshot else 0, 0)
        self._replay(state, state.seen, position)

    def _mend(self, state: State, item: Damage, name: Digest) -> None:
        group, (start, end) = item.group, item.span
        meta = block_meta(state, group, start, end - start)
        lineage = derived(name, WINDOWS) if group.window is not None else name
        same = self._repository.heal(meta, bytes(raw(state.export(group, start, end))), item.digest, lineage)
        how = "bit-identical" if same else "not bit-identical"
        self.notes.append(f"Tokens {start} to {end - 1} were damaged on disk and computed again ({how}).")
