"""A working set that does not hold every token: what leaves it, what is kept of that, and what is put back for a turn.

All of it happens between forwards and is decided by events alone (`memory.events`), so that a replay gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...memory.events import EVICT, RECALL, TRACK, WITHDRAW, Event
from ...memory.summary import Gone, Kept, Memory, Reader, Summary, joined
from ...memory.tokenlog import Span
from ...memory.working import Placement
from .banks import Turn
from .base import Chunk
from .plan import Row
from .slabs import Slab

if TYPE_CHECKING:
    from .cache import CacheAdapter


class Tracking(NamedTuple):
    """Which attention counts as mass: once the window holds `window` tokens, that of every `stride`-th query to its
    `block` oldest, which are the next to leave.
    """

    stride: int
    window: int
    block: int


class WorkingSet:
    """Placement, summary and mass beside the slabs of one state. `slabs` are the state's own."""

    def __init__(self, adapter: CacheAdapter, slabs: Sequence[Slab]) -> None:
        self._adapter = adapter
        self._slabs = slabs
        self.place = Placement()
        self.kept: Kept | None = None
        self.tracking: Tracking | None = None
        self.segments: list[tuple[int, int, float]] = []
        self._faded: tuple[Kept, list[tuple[int, int, float]]] | None = None
        self.mass: list[Tensor] = []

    @property
    def plain(self) -> bool:
        """Whether nothing sets it apart from a cache of every token."""
        return self.place.whole and self.tracking is None

    def apply(self, event: Event, seen: int, brought: Sequence[Chunk] | Memory = ()) -> None:
        """Let an event happen after `seen` tokens. It brought what a recall pastes, or a merge joins."""
        if isinstance(brought, Memory):
            self._join(brought)
        elif event.kind == TRACK:
            self.tracking = Tracking(event.detail["stride"], event.detail["window"], event.detail["block"])
            self.mass = self._no_mass()
        elif event.kind == EVICT:
            self._evict(event.detail, seen)
        elif event.kind == RECALL:
            self._paste(brought, seen)
        elif event.kind == WITHDRAW:
            self._withdraw(seen)

    # mass

    def listening(self, seen: int) -> Tracking | None:
        """What is counted in a forward after `seen` tokens, if anything."""
        tracking = self.tracking
        return tracking if tracking is not None and seen - self.place.oldest >= tracking.window else None

    def note(self, bank: int, layer: int, mass: Tensor) -> None:
        """Add mass [heads, block] that a forward's queries gave to the oldest tokens of the window."""
        heads = self._adapter.banks[bank].heads
        self.mass[bank][layer, :, : mass.shape[-1]] += mass.view(heads, -1, mass.shape[-1]).sum(1)

    def _no_mass(self) -> list[Tensor]:
        if self.tracking is None:
            return []
        block, device = self.tracking.block, self._adapter.device
        return [torch.zeros(len(bank.layers), bank.heads, block, device=device) for bank in self._adapter.banks]

    # eviction

    def _evict(self, detail: Mapping[str, Any], seen: int) -> None:
        place, upto = self.place, int(detail["upto"])
        self.kept = self._fold(detail, upto)
        self.mass = self._no_mass()
        kept, behind = self.kept.count, place.slot(upto)
        self.place = Placement(behind - kept, kept, upto)
        if detail["shift"]:
            self._shift(int(detail["shift"]), seen)
        self._write_kept()

    def _fold(self, detail: Mapping[str, Any], upto: int) -> Kept:
        """Choose among what was kept and the evicted tokens, and fold the others into the memory."""
        start, end = self.place.slot(self.place.oldest), self.place.slot(upto)
        old, summary = self.kept or self._nothing(), self._adapter.summaries.find(detail)
        tokens, slots, scores, indices = [], [], [], []
        for number, bank in enumerate(self._adapter.banks):
            fresh = self._scores(number, start, end)
            if self.place.oldest == 0:
                fresh[..., : int(detail["sinks"])] = torch.inf
            chosen, value = summary.choose(old.scores[number], fresh, int(detail["entries"]))
            shape = (len(bank.layers), bank.heads, end - start)
            where = torch.arange(start, end, dtype=torch.int32, device=fresh.device).expand(shape)
            slots.append(torch.cat([old.slots[number], where], -1))
            tokens.append(torch.cat([old.tokens[number], where - start + self.place.oldest], -1).gather(-1, chosen))
            scores.append(value)
            indices.append(chosen)
        rows = [self._gather(number, old, indices, start, end) for number in range(len(self._slabs))]
        memory = self._fold_others(summary, old, indices, slots, Span(start, end), upto) if summary.folds else None
        slots = [every.gather(-1, chosen) for every, chosen in zip(slots, indices, strict=True)]
        fade = float(detail.get("fade", 0.0))
        return Kept(tuple(tokens), tuple(slots), tuple(scores), tuple(rows), old.folds + 1, memory, fade)

    def _fold_others(
        self, summary: Summary, old: Kept, indices: Sequence[Tensor], slots: Sequence[Tensor], at: Span, upto: int
    ) -> Memory | None:
        """The memory with the candidates that were not chosen. `slots` are those of all candidates, by bank."""
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for number in range(len(self._adapter.banks)):
            others = _complement(indices[number], slots[number].shape[-1])
            pairs = zip(others, slots[number], strict=True)
            found = [self._plain_pair(number, layer, old, *pair, at) for layer, pair in enumerate(pairs)]
            keys.append(torch.stack([key for key, _ in found]))
            values.append(torch.stack([value for _, value in found]))
        return summary.fold(old.memory, Gone(tuple(keys), tuple(values), self.place.oldest, upto))

    def _plain_pair(
        self, number: int, layer: int, old: Kept, chosen: Tensor, slots: Tensor, at: Span
    ) -> tuple[Tensor, Tensor]:
        """Chosen candidates' keys, turned back to no position, and values of one layer, float32 [H, n, D]."""
        bank, turn = self._adapter.banks[number], self._adapter.key_turns[number][layer]
        key, value = (self._candidates(row, old, chosen, at) for row in (bank.keys[layer], bank.values[layer]))
        return (key if turn is None else turn.move(key, -slots.gather(-1, chosen))), value

    def _candidates(self, row: Row, old: Kept, chosen: Tensor, at: Span) -> Tensor:
        """Some of a row's candidates as float32 [H, n, D]; chosen [H, n]."""
        buffer = self._slabs[row.slab].buffer[row.row, :, at.start : at.end]
        every = torch.cat([old.rows[row.slab][row.row], buffer], dim=1)
        return every.gather(1, chosen[..., None].expand(*chosen.shape, every.shape[-1])).float()

    def _join(self, parts: Memory) -> None:
        if self.kept is None or self.kept.memory is None:
            raise RuntimeError("there is no summary that another one's parts could join")
        self.kept = replace(self.kept, memory=joined(self.kept.memory, parts))

    def speaks(self, seen: int) -> bool:
        """Whether attention is more than that of a plain cache in a forward after `seen` tokens."""
        fades = self.kept is not None and self.kept.fade
        return bool(self.segments or fades or self.listening(seen) or self.reader())

    def reader(self) -> Reader | None:
        """What the memory adds to attention now, if there is one."""
        memory = None if self.kept is None else self.kept.memory
        return None if memory is None else self._adapter.summaries.made(memory).reader(memory)

    def fades(self) -> list[tuple[int, int, float]]:
        """The runs (start, end, bias) of kept entries whose attention scores are lowered, by slot after the first."""
        if self.kept is None:
            return []
        if self._faded is None or self._faded[0] is not self.kept:
            self._faded = self.kept, self.kept.faded(self.place.oldest)
        return self._faded[1]

    def _scores(self, bank: int, start: int, end: int) -> Tensor:
        """The mass of the entries at slots [start, end); of those beyond the block that is counted it is not known."""
        layers, heads = len(self._adapter.banks[bank].layers), self._adapter.banks[bank].heads
        found = torch.zeros(layers, heads, end - start, device=self._adapter.device)
        if self.tracking is not None:
            known = min(self.tracking.block, end - start)
            found[..., :known] = self.mass[bank][..., :known]
        return found

    def _gather(self, number: int, old: Kept, indices: Sequence[Tensor], start: int, end: int) -> Tensor:
        """The chosen entries of a slab's rows, [rows, H, n, D]."""
        slab = self._slabs[number]
        if slab.shape.group.window is not None:
            return old.rows[number]
        chosen = torch.stack([indices[bank][layer] for bank, layer in self._adapter.owners[number]])
        candidates = torch.cat([old.rows[number], slab.buffer[:, :, start:end]], dim=2)
        rows, heads, count, dim = candidates.shape
        offsets = torch.arange(rows * heads, device=chosen.device).view(rows, heads, 1) * count
        # Whole entries by number: a gather along the tokens would look at every number of every entry.
        return candidates.view(-1, dim).index_select(0, (chosen + offsets).view(-1)).view(rows, heads, -1, dim)

    def _nothing(self) -> Kept:
        banks, device = self._adapter.banks, self._adapter.device
        empty = [torch.zeros(len(bank.layers), bank.heads, 0, dtype=torch.int32, device=device) for bank in banks]
        rows = [slab.buffer[:, :, :0].clone() for slab in self._slabs]
        return Kept(tuple(empty), tuple(empty), tuple(tensor.float() for tensor in empty), tuple(rows), 0)

    def _write_kept(self) -> None:
        """Put the kept entries at the slots right before the window, turned there from their own bytes."""
        kept = self.kept
        if kept is None:
            return
        first, end = self.place.first, self.place.first + kept.count
        targets = torch.arange(first, end, device=self._adapter.device)
        for number, slab in enumerate(self._slabs):
            if slab.shape.group.window is not None:
                continue
            out = slab.buffer[:, :, first:end]
            out.copy_(kept.rows[number])
            for rows, turn in self._adapter.turned[number]:
                delta = torch.stack([targets - kept.slots[b][i] for b, i in (self._adapter.owners[number][r] for r in rows)])
                out[rows] = turn.move(kept.rows[number][rows], delta)

    def placed(self, layers: Sequence[tuple[int, int]], keys: Tensor, position: int) -> Tensor:
        """Keys [layers, H, T, n, D] that stand nowhere, turned to where the T queries from `position` on stand."""
        turns = [self._adapter.key_turns[bank][number] for bank, number in layers]
        where = torch.arange(position, position + keys.shape[2], device=keys.device)[:, None]
        if all(turn is turns[0] for turn in turns):
            return keys if turns[0] is None else turns[0].move(keys, where)
        return torch.stack(
            [part if turn is None else turn.move(part, where) for part, turn in zip(keys, turns, strict=True)]
        )

    # moving

    def _shift(self, by: int, seen: int) -> None:
        """Move the window down by `by` slots. What is kept stays turned as it was and is written anew."""
        start, end = self.place.slot(self.place.oldest), self.place.slot(seen)
        self._move_full(start, end, by)
        self._turn_sliding(0, seen, -by)
        self.place = Placement(self.place.first - by, self.place.kept, self.place.oldest)

    def _move_full(self, start: int, end: int, by: int) -> None:
        """The entries at slots [start, end) of layers that attend to everything, `by` slots down."""
        for number, slab in enumerate(self._slabs):
            if slab.shape.group.window is None:
                moved = slab.buffer[:, :, start:end].clone()
                for rows, turn in self._adapter.turned[number]:
                    moved[rows] = turn.move(moved[rows], -by)
                slab.buffer[:, :, start - by : end - by] = moved

    def _turn_sliding(self, start: int, seen: int, by: int) -> None:
        """Turn what sliding layers hold of tokens [start, seen) by `by` positions: only the distances count for them."""
        for number, slab in enumerate(self._slabs):
            if slab.shape.group.window is not None:
                at = max(start, slab.base)
                self.turn(number, at, seen - at, by)

    def turn(self, number: int, at: int, count: int, by: int) -> None:
        """Turn `count` entries of a slab from place `at` on by `by` positions, where they lie."""
        slab = self._slabs[number]
        part = slab.buffer[:, :, at - slab.base : at - slab.base + count]
        for rows, turn in self._adapter.turned[number]:
            part[rows] = turn.move(part[rows], by)

    # recall

    def _paste(self, chunks: Sequence[Chunk], seen: int) -> None:
        """Put chunks behind everything, turned to the slots where they lie."""
        at = start = self.place.slot(seen)
        self.segments = []
        for chunk in chunks:
            self._paste_one(chunk, at)
            self.segments.append((at, at + chunk.used, chunk.bias))
            at += chunk.used
        self.place = Placement(self.place.first, self.place.kept, self.place.oldest, at - start, seen)

    def _paste_one(self, chunk: Chunk, at: int) -> None:
        offset, payload = 0, memoryview(chunk.payload)
        for number, slab in enumerate(self._slabs):
            if slab.shape.group.window is not None:
                continue
            size = chunk.tokens * slab.shape.per_token
            part = tensor_of(payload[offset : offset + size], slab, chunk.tokens)[:, :, : chunk.used]
            offset += size
            out = slab.buffer[:, :, at : at + chunk.used]
            out.copy_(part)
            for rows, turn in self._adapter.turned[number]:
                out[rows] = turn.move(out[rows], at - chunk.first)

    def _withdraw(self, seen: int) -> None:
        """Take what was pasted out again and close the gap: the tokens fed since move down."""
        place, count = self.place, self.place.recalled
        if not count:
            return
        start, end = place.slot(place.pasted_at), place.slot(seen)
        self._move_full(start, end, count)
        self._turn_sliding(place.pasted_at, seen, -count)
        self.segments = []
        self.place = Placement(place.first, place.kept, place.oldest)

    # keeping

    def tensors(self) -> dict[str, Tensor]:
        """The mass that was counted by name, for a snapshot."""
        return {f"mass.{i}": mass.clone() for i, mass in enumerate(self.mass)}

    def put_back(self, tensors: Mapping[str, Tensor], kept: Kept | None, tracking: Tracking | None) -> None:
        """What a snapshot kept of it; the placement and the window's entries are there already."""
        self.kept, self.tracking = kept, tracking
        self._write_kept()
        count = len(self._adapter.banks) if tracking is not None else 0
        self.mass = [tensors[f"mass.{number}"].to(self._adapter.device).clone() for number in range(count)]

    @property
    def nbytes(self) -> int:
        """Bytes of what it holds beside the slabs."""
        kept = self.kept
        return (0 if kept is None else kept.nbytes) + sum(mass.nbytes for mass in self.mass)

    def vacate(self) -> None:
        """Let go of all numbers; `put_back` brings them again. The placement stays."""
        self.kept, self._faded, self.mass = None, None, []

    def copy_from(self, other: WorkingSet) -> None:
        """Become an independent twin of `other`; what is kept is never changed in place."""
        self.place, self.kept, self.tracking = other.place, other.kept, other.tracking
        self.segments, self.mass = list(other.segments), [mass.clone() for mass in other.mass]


def _complement(chosen: Tensor, count: int) -> Tensor:
    """The indices in 0 .. count - 1 that chosen [L, H, k] leaves out, in rising order."""
    left = torch.ones(*chosen.shape[:2], count, dtype=torch.bool, device=chosen.device).scatter_(-1, chosen, False)
    return left.nonzero()[:, 2].view(*chosen.shape[:2], count - chosen.shape[-1])


def tensor_of(payload: memoryview, slab: Slab, tokens: int) -> Tensor:
    """A slab's part of an exported payload as [rows, H, tokens, D]."""
    flat = torch.from_numpy(np.frombuffer(payload, dtype=np.uint8).copy()).view(slab.shape.dtype)
    return flat.view(slab.shape.rows, slab.shape.heads, tokens, slab.shape.dim)


def turned_rows(turns: Sequence[Sequence[Turn | None]]) -> list[list[tuple[list[int], Turn]]]:
    """For each slab the rows that are turned, those of one rotation together."""
    found = []
    for slab in turns:
        groups: dict[tuple[Any, ...], tuple[list[int], Turn]] = {}
        for row, turn in enumerate(slab):
            if turn is not None:
                same = (*turn.inv_freq.tolist(), turn.interleaved, turn.start)
                groups.setdefault(same, ([], turn))[0].append(row)
        found.append(list(groups.values()))
    return found
