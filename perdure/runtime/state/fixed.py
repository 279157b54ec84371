"""States without any part per token: one nested value of tensors that every forward replaces (RWKV, xLSTM)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import RecipeMismatch
from ...memory.records import LayerKind
from ...memory.working import WHOLE, Placement
from .base import Group, Snapshot, State, StateAdapter
from .codec import put_together, take_apart, tensors_in
from .paging import Staging, parked, placed
from .spares import Spares


class FixedState(State):
    """Holds the value; None before the first token for families whose model makes the first one itself."""

    def __init__(self, adapter: FixedAdapter) -> None:
        self.seen = 0
        self._adapter = adapter
        self._value = adapter.fresh()
        self._parked: Snapshot | None = None

    def run(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        out = model(**inputs, **{self._adapter.keyword: self._value}, use_cache=True)
        self._value = getattr(out, self._adapter.keyword)
        return out

    def open(self, tokens: int, place: Placement = WHOLE) -> None: ...

    def reserve(self, tokens: int) -> None: ...

    def export(self, group: Group, start: int, end: int) -> Tensor:
        return torch.empty(0, dtype=torch.uint8)

    def load(self, group: Group, start: int, tokens: int, payload: memoryview, shifts: Sequence[int] = ()) -> None: ...

    def shapes(self, group: Group, tokens: int) -> list[list[int]]:
        return []

    def nbytes(self, group: Group, tokens: int) -> int:
        return 0

    def snapshot(self) -> Snapshot | None:
        tensors: dict[str, Tensor] = {}
        meta = {"value": take_apart(self._adapter.read(self._value), "value", tensors)}
        return Snapshot(self.seen, tensors, meta)

    def put_back(self, snapshot: Snapshot) -> None:
        self._adapter.require_fit(snapshot)
        self._value = self._adapter.made_of(put_together(snapshot.meta["value"], snapshot.tensors))
        self.seen = snapshot.position

    def holds(self, tokens: int) -> bool:
        return tokens in (0, self.seen)

    def crop(self, tokens: int) -> None:
        if tokens >= self.seen:
            return
        if tokens:
            raise RuntimeError(f"a state of {self.seen} tokens cannot be cut to {tokens}")
        self.release()

    def settle(self, stored: int) -> None: ...

    def release(self) -> None:
        self.seen = 0
        self._value, self._parked = self._adapter.fresh(), None

    @property
    def resident(self) -> int:
        value = self._value
        return sum(tensor.nbytes for tensor in tensors_in(None if value is None else self._adapter.read(value)))

    @property
    def away(self) -> int:
        return 0 if self._parked is None else self._parked.nbytes

    def park(self) -> None:
        snapshot = None if self._parked is not None or self.opened is not None or not self.seen else self.snapshot()
        if snapshot is not None:
            self._parked, self._value = parked(snapshot, self._adapter.staging), None

    def unpark(self) -> None:
        if self._parked is not None:
            self.put_back(placed(self._parked, self._adapter.staging))
            self._parked = None

    def fork(self) -> FixedState:
        twin = FixedState(self._adapter)
        snapshot = self.snapshot() if self.seen else None
        if snapshot is not None:
            twin.put_back(snapshot)
        return twin

    def check(self) -> None: ...


class FixedAdapter(StateAdapter):
    """A family says what a fresh value is, and how it is read and made. `learn` takes the shapes from a first snapshot."""

    fixed = True
    keyword: str

    def __init__(self, model: Any, layers: int) -> None:
        self.config = model.config
        self.device = str(model.device)
        self.staging = Staging(model.device)
        self.spares = Spares()
        self.dtype = model.dtype
        self._layers = layers
        self._fit: dict[str, tuple[torch.Size, torch.dtype]] = {}

    @abstractmethod
    def fresh(self) -> Any:
        """The value before the first token."""

    def read(self, value: Any) -> Any:
        """What of the value is stored."""
        return value

    def made_of(self, stored: Any) -> Any:
        """The value that `read` read."""
        return stored

    def new(self, capacity: int = 0, *, whole: bool = False) -> FixedState:
        return FixedState(self)

    def learn(self, snapshot: Snapshot) -> None:
        self._fit = {path: (tensor.shape, tensor.dtype) for path, tensor in snapshot.tensors.items()}

    def require_fit(self, snapshot: Snapshot) -> None:
        require_fit(self._fit, snapshot)

    def layers(self) -> list[LayerKind]:
        total = sum(size.numel() * dtype.itemsize for size, dtype in self._fit.values())
        return [LayerKind(index, "recurrent", 0, None, total // self._layers) for index in range(self._layers)]


def require_fit(wanted: Mapping[str, tuple[torch.Size, torch.dtype]], snapshot: Snapshot) -> None:
    """Raises RecipeMismatch where a snapshot's tensors are not the wanted ones. No expectation, no refusal."""
    found = {path: (tensor.shape, tensor.dtype) for path, tensor in snapshot.tensors.items()}
    for path in sorted(wanted.keys() | found.keys()) if wanted else ():
        if wanted.get(path) != found.get(path):
            raise _unfit(path, _shown(wanted.get(path)), _shown(found.get(path)))


def _shown(one: tuple[torch.Size, torch.dtype] | None) -> str:
    return "nothing" if one is None else f"{list(one[0])} of {str(one[1]).removeprefix('torch.')}"


def _unfit(path: str, present: str, stored: str) -> RecipeMismatch:
    return RecipeMismatch(
        f"The stored state cannot be continued: its tensor {path!r} is {stored}, and this model keeps {present} there. "
        "Open the session with --as-text, which computes the conversation again.",
        field="shape",
        stored=stored,
        present=present,
    )
