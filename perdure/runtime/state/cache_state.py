"""The state of a family whose model takes a transformers cache, its keys and values in slabs.

Those (`KVLayer`, `HybridLayer`) can be stored in blocks; linear-attention states stay in the layers transformers made, and
layers of other kinds stay as they are: both are stored as snapshots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import DummyLayer

from ...config import BLOCK_TOKENS
from ...memory.events import Event
from ...memory.summary import Kept, Memory
from ...memory.tokenlog import Span
from ...memory.working import WHOLE, Placement
from ..attention import KEYWORD
from .base import Chunk, Group, Snapshot, State
from .bounded import Tracking, WorkingSet
from .codec import put_together, take_apart, tensors_in
from .ear import Ear
from .layers import HybridLayer, IndexedLayer, KVLayer
from .paging import parked, placed
from .plan import Row
from .slabs import Slab, group_of

if TYPE_CHECKING:
    from .cache import CacheAdapter


LINEAR = (
    "conv_states",
    "recurrent_states",
    "is_conv_states_initialized",
    "is_recurrent_states_initialized",
    "has_previous_state",
    "conv_kernel_size",
    "device",
    "dtype",
)
"""What a linear-attention layer consists of; `number_of_states` and `record_past` come with a new one."""


Pair = tuple[Tensor, Tensor]
"""Keys and values."""


class Parked(NamedTuple):
    """What a state held, in host memory: what its slabs held each, and all else."""

    slabs: list[Tensor]
    rest: Snapshot | None

    @property
    def nbytes(self) -> int:
        kept = None if self.rest is None else self.rest.summary
        rest = (0 if self.rest is None else self.rest.nbytes) + (0 if kept is None else kept.nbytes)
        return rest + sum(tensor.nbytes for tensor in self.slabs)


class CacheState(State):
    """A transformers cache whose keys and values lie in slabs."""

    listener: Callable[..., Ear] | None = None
    """What makes the listener of every forward, in the place of an `Ear` for those that need one."""
    _ear: Ear | None = None
    _parked: Parked | None = None

    def __init__(self, adapter: CacheAdapter, capacity: int = 0, *, whole: bool = False) -> None:
        self.seen = 0
        self._adapter = adapter
        self.whole = whole
        self._slabs = [Slab(pool, whole=whole) for pool in adapter.pools]
        self._set = WorkingSet(adapter, self._slabs)
        self._renew()
        self.reserve(capacity)

    @property
    def place(self) -> Placement:
        return self._set.place

    @property
    def bounded(self) -> bool:
        return not self._set.plain

    @property
    def tracks(self) -> bool:
        return self._set.tracking is not None

    @property
    def plain(self) -> bool:
        return not self.tracks and not self._speaks()

    @property
    def kept(self) -> Kept | None:
        return self._set.kept

    @property
    def length(self) -> int:
        """How many entries a layer reads that attends to everything."""
        return self.place.entries(self.seen)

    @property
    def shares(self) -> Tensor | None:
        return self._ear.shares if self._ear is not None else None

    @property
    def heard(self) -> set[int]:
        """The layers whose attention came by in the last forward."""
        return self._ear.layers if self._ear is not None else set()

    def first(self) -> list[Tensor]:
        """Copies of what the first token left in each slab, [rows, H, D]."""
        return [slab.buffer[:, :, 0].clone() for slab in self._slabs]

    def apply(self, event: Event, brought: Sequence[Chunk] | Memory = ()) -> None:
        if not self._adapter.movable:
            raise RuntimeError("the keys of this family cannot be moved")
        pasted = 0 if isinstance(brought, Memory) else sum(chunk.used for chunk in brought)
        for slab in self._slabs:
            slab.reserve(self._end(slab) + (0 if slab.shape.group.window else pasted), self._end(slab))
        self._set.apply(event, self.seen, brought)
        self.happened += 1

    def _renew(self) -> None:
        natives = self._adapter.natives()
        self.container = self._adapter.container([self._layer(i, native) for i, native in enumerate(natives)])

    def _layer(self, index: int, native: Any) -> Any:
        plan = self._adapter.plans[index]
        if plan.opaque or isinstance(native, DummyLayer):
            return native
        if not plan.linear:
            return KVLayer(self, plan) if plan.index_keys is None else IndexedLayer(self, plan)
        return native if plan.keys is None else HybridLayer(self, plan, native.number_of_states)

    def run(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        ear = self.listen()
        extra = {} if ear is None else {KEYWORD: ear}
        return model(**inputs, **extra, **{self._adapter.keyword: self.container}, use_cache=True)

    def listen(self) -> Ear | None:
        """What listens to the next forward, where its attention is more than that of a plain cache."""
        beside = {} if self.opened is None else self.opened.keys
        made = self.listener or (Ear if self._speaks() else None)
        self._ear = None if made is None else made(self._set, self._adapter, self.seen, beside)
        return self._ear

    def _speaks(self) -> bool:
        beside = self.opened is not None and self.opened.keys
        return bool(self._adapter.heard and (beside or self._set.speaks(self.seen)))

    @property
    def mass(self) -> list[Tensor]:
        """A copy of the attention that was counted so far, by bank."""
        return [mass.clone() for mass in self._set.mass]

    @mass.setter
    def mass(self, counted: list[Tensor]) -> None:
        self._set.mass = counted

    def append(self, row: Row, values: Tensor, window: int | None) -> Tensor:
        """Write new values [1, H, T, D] after `seen`; gives all that a layer with this window reads, [1, H, N, D]."""
        slab = self._slabs[row.slab]
        at = self._end(slab)
        slab.put(row.row, at, values[0])
        start = self.place.first if window is None else group_of(window).floor(self.seen)
        return slab.view(row.row, start, at + values.shape[-2])

    def slots(self, more: int) -> dict[int, Pair]:
        """Where the keys and values [1, H, more, D] of the next tokens go, by layer; of families without windows."""
        return self._pairs([slab.views(self._end(slab), self._end(slab) + more) for slab in self._slabs])

    def reading(self, more: int) -> dict[int, Pair]:
        """All that layers read [1, H, N, D] once so many more tokens are there, by layer; of families without windows."""
        first = self.place.first
        return self._pairs([slab.views(first, self._end(slab) + more) for slab in self._slabs])

    def _pairs(self, views: Sequence[Sequence[Tensor]]) -> dict[int, Pair]:
        return {
            index: (views[plan.keys.slab][plan.keys.row], views[plan.values.slab][plan.values.row])
            for index, plan in enumerate(self._adapter.plans)
            if plan.keys is not None and plan.values is not None
        }

    def _end(self, slab: Slab) -> int:
        """Where a slab's next entry goes: at its position, or in a sliding one at the number of its token."""
        return self.position if slab.shape.group.window is None else self.seen

    # the part per token

    def open(self, tokens: int, place: Placement = WHOLE) -> None:
        self._set.place = place
        for slab in self._slabs:
            window = slab.shape.group.window
            slab.open_at(slab.shape.group.floor(tokens) // BLOCK_TOKENS * BLOCK_TOKENS)
            end = place.slot(tokens) if window is None else tokens
            slab.reserve(end + BLOCK_TOKENS, slab.base)

    def reserve(self, tokens: int) -> None:
        more = tokens - self.seen
        for slab in self._slabs:
            slab.reserve(self._end(slab) + more, self._end(slab))

    def _where(self, slab: Slab, token: int) -> int:
        return self.place.slot(token) if slab.shape.group.window is None else token

    def _of(self, group: Group) -> list[Slab]:
        return [slab for slab in self._slabs if slab.shape.group == group]

    def shapes(self, group: Group, tokens: int) -> list[list[int]]:
        return [[s.shape.rows, s.shape.heads, tokens, s.shape.dim] for s in self._of(group)]

    def nbytes(self, group: Group, tokens: int) -> int:
        return sum(tokens * slab.shape.per_token for slab in self._of(group))

    def export(self, group: Group, start: int, end: int) -> Tensor:
        parts = [slab.export(self._where(slab, start), self._where(slab, start) + end - start) for slab in self._of(group)]
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.uint8)

    def exported(self, group: Group, spans: Sequence[Span]) -> list[Tensor]:
        return self._adapter.staging.to_host(super().exported(group, spans))

    def load(self, group: Group, start: int, tokens: int, payload: memoryview, shifts: Sequence[int] = ()) -> None:
        at = 0
        for number, slab in enumerate(self._slabs):
            if slab.shape.group != group:
                continue
            size = tokens * slab.shape.per_token
            where = self._where(slab, start)
            slab.load(where, tokens, payload[at : at + size])
            for shift in shifts:
                self._set.turn(number, where, tokens, shift)
            at += size

    # the fixed part

    def snapshot(self) -> Snapshot | None:
        if not self._adapter.fixed and not self.bounded:
            return None
        tensors: dict[str, Tensor] = {}
        meta = {str(i): self._read_layer(i, tensors) for i in self._adapter.kept_layers}
        meta["extra"] = take_apart(self._extra(), "extra", tensors)
        if self.happened:
            meta["happened"] = self.happened
        if not self.bounded:
            return Snapshot(self.seen, tensors, meta)
        if self.place.recalled:
            raise RuntimeError("a state is not to be kept while memories are pasted into it")
        meta["tracking"] = None if self._set.tracking is None else list(self._set.tracking)
        return Snapshot(self.seen, tensors | self._set.tensors(), meta, self.place, self._set.kept)

    def put_back(self, snapshot: Snapshot) -> None:
        self._adapter.require_fit(snapshot)
        for index in self._adapter.kept_layers:
            layer = self.container.layers[index]
            for name, value in put_together(snapshot.meta[str(index)], snapshot.tensors).items():
                setattr(layer, name, value)
        self._take_extra(put_together(snapshot.meta["extra"], snapshot.tensors))
        self.seen, self.happened = snapshot.position, snapshot.meta.get("happened", 0)
        if "tracking" in snapshot.meta:
            tracked = snapshot.meta["tracking"]
            tracking = None if tracked is None else Tracking(*tracked)
            self._set.put_back(snapshot.tensors, snapshot.summary, tracking)

    def _read_layer(self, index: int, tensors: dict[str, Tensor]) -> Any:
        layer = self.container.layers[index]
        names = LINEAR if self._adapter.plans[index].linear else tuple(vars(layer))
        return take_apart({name: getattr(layer, name) for name in names}, str(index), tensors)

    def _extra(self) -> Any:
        """What the family keeps outside the layers of its cache."""
        return None

    def _take_extra(self, extra: Any) -> None:
        if extra is not None:
            raise RuntimeError("a snapshot holds what this family does not keep")

    # the whole

    def holds(self, tokens: int) -> bool:
        if tokens in (0, self.seen):
            return True
        fixed = self._adapter.fixed or self.bounded or self.place.recalled
        return tokens < self.seen and not fixed and all(slab.holds(tokens) for slab in self._slabs)

    def crop(self, tokens: int) -> None:
        if tokens >= self.seen:
            return
        if not self.holds(tokens):
            raise RuntimeError(f"a state of {self.seen} tokens cannot be cut to {tokens}")
        self.seen = tokens
        for slab in self._slabs:
            slab.crop(tokens)
        if tokens == 0:
            self.happened, self._set = 0, WorkingSet(self._adapter, self._slabs)
            if self._adapter.fixed:
                self._renew()

    def settle(self, stored: int) -> None:
        for slab in self._slabs:
            slab.settle(min(stored, self.seen))

    def release(self) -> None:
        self.seen = self.happened = 0
        for slab in self._slabs:
            slab.release()
        self._set = WorkingSet(self._adapter, self._slabs)
        self._ear = self._parked = None
        self._renew()

    @property
    def resident(self) -> int:
        layers = [vars(self.container.layers[index]) for index in self._adapter.kept_layers]
        rest = tensors_in([*layers, self._extra()])
        return sum(slab.buffer.nbytes for slab in self._slabs) + self._set.nbytes + sum(tensor.nbytes for tensor in rest)

    @property
    def away(self) -> int:
        return 0 if self._parked is None else self._parked.nbytes

    def park(self) -> None:
        if self._parked is not None or self.place.recalled or self.opened is not None:
            return
        staging, rest = self._adapter.staging, self.snapshot()
        slabs = staging.parked([slab.used(self._end(slab)) for slab in self._slabs])
        self._parked = Parked(slabs, None if rest is None else parked(rest, staging))
        self._ear = None
        self._set.vacate()
        self._renew()
        for slab in self._slabs:
            slab.vacate()

    def unpark(self) -> None:
        if self._parked is None:
            return
        for slab, held in zip(self._slabs, self._parked.slabs, strict=True):
            slab.occupy(held)
        if self._parked.rest is not None:
            self.put_back(placed(self._parked.rest, self._adapter.staging))
        self._parked = None

    def fork(self) -> CacheState:
        twin = type(self)(self._adapter, whole=self.whole)
        for mine, other in zip(twin._slabs, self._slabs, strict=True):
            mine.copy_from(other, self._end(other))
        snapshot = self.snapshot() if self.seen and self._adapter.fixed else None
        if snapshot is not None:
            twin._set.place = self.place
            twin.put_back(snapshot)
        twin._set.copy_from(self._set)
        twin.seen, twin.happened = self.seen, self.happened
        return twin

    def check(self) -> None:
        for slab in self._slabs:
            floor = self.place.first if slab.shape.group.window is None else slab.shape.group.floor(self.seen)
            if self.seen and not slab.base <= floor <= self._end(slab) <= slab.end:
                raise RuntimeError(f"a slab of tokens {slab.base} to {slab.end} cannot hold a state of {self.seen}")
        for index in self._adapter.kept_layers:
            layer = self.container.layers[index]
            if self._adapter.plans[index].linear and not self.seen and any(layer.has_previous_state.values()):
                raise RuntimeError(f"layer {index} has a state, and no token has been absorbed")
