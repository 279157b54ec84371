"""The contract of state: what a model remembers of a conversation, and how it is made, filled, read out and put back.

A state has two parts. What it keeps *per token* (keys and values) belongs to groups, is stored in blocks and can be cut
off after any token. All else (convolution, state-space and recurrent states) is *fixed*: it is changed by every token,
cannot be taken back, and is stored as a snapshot of one position. A family may have either part or both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ...errors import RecipeMismatch
from ...memory.events import Event
from ...memory.records import LayerKind
from ...memory.summary import HeavyHitters, Infini, Kept, Memory, SinksOnly, Summary
from ...memory.tokenlog import Span
from ...memory.working import WHOLE, Placement
from ...stores.base import Buffer

if TYPE_CHECKING:
    from ..composing import Opened
    from .banks import Bank
    from .paging import Staging
    from .spares import Spares
    from .together import Together

FULL = "full"
WINDOW = "window"


class Group(NamedTuple):
    """Layers whose per-token tensors are stored together.

    `name` is "full" or "window"; of a "window" group a forward reads only the last `window` - 1 tokens.
    """

    name: str
    window: int | None = None

    def floor(self, tokens: int) -> int:
        """The first token that a forward after `tokens` of them still reads."""
        return 0 if self.window is None else max(0, tokens - self.window + 1)


class Supports(NamedTuple):
    """What a family's state can do exactly.

    `multi_token`: go on with several tokens in one forward. `crop`: forget the last tokens without a checkpoint.
    `batch_select`: be picked out of a batch.
    """

    multi_token: bool
    crop: bool
    batch_select: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fixed part of a state after `position` tokens: contiguous copies by path, and plain values beside them.

    Of a working set that does not hold every token any more `place` says where the rest lies, and `summary` is what it
    keeps of the others.
    """

    position: int
    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any]
    place: Placement = WHOLE
    summary: Kept | None = None

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())


class Chunk(NamedTuple):
    """KV to paste: what `State.export` gave for `tokens` tokens whose first stood at position `first`.

    The first `used` of them are pasted; `bias` is added to the attention scores of their keys.
    """

    payload: Buffer
    tokens: int
    first: int
    used: int
    bias: float


class State(ABC):
    """The working state of one session: everything the model remembers of the first `seen` tokens.

    `seen` is moved by the engine (forwards), by `put_back` and by `crop` only. Tokens count from the first of the
    session; `position` is where the next one goes, which is another number once some were evicted. Between forwards
    `check` holds.
    """

    seen: int
    happened: int = 0
    """How many events of the session's log have happened to it."""
    opened: Opened | None = None
    """The fast weights that act in its forwards now."""
    whole: bool = False
    """Whether windows keep every token, so that old blocks can be computed again or compared."""

    @property
    def place(self) -> Placement:
        """Where the tokens of the window lie."""
        return WHOLE

    @property
    def position(self) -> int:
        """The position of the next token."""
        return self.place.slot(self.seen)

    @property
    def bounded(self) -> bool:
        """Whether it holds more than the KV of every token, so that only a snapshot brings it back."""
        return False

    @property
    def tracks(self) -> bool:
        """Whether attention mass is counted."""
        return False

    @property
    def plain(self) -> bool:
        """Whether its next forwards attend as over a plain cache: to all there is, and nobody listens."""
        return False

    @property
    def shares(self) -> Tensor | None:
        """The attention that pasted chunks received from the token absorbed last, [chunks, layers, heads, 1]."""
        return None

    @property
    def kept(self) -> Kept | None:
        """What is kept of evicted tokens; None where nothing was evicted."""
        return None

    def apply(self, event: Event, brought: Sequence[Chunk] | Memory = ()) -> None:
        """Let an event of the session's log happen now. It brought what a recall pastes, or a merge joins."""
        raise RuntimeError(f"this family's states know no {event.kind!r}")

    @abstractmethod
    def run(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """One forward of `model` over this state, which takes in the new tokens. Does not move `seen`."""

    @abstractmethod
    def open(self, tokens: int, place: Placement = WHOLE) -> None:
        """Make room in an empty state for loading `tokens` tokens; of windows only for what is read after them."""

    @abstractmethod
    def reserve(self, tokens: int) -> None:
        """Make room for `tokens` in total; what was absorbed stays. Raises nothing but MemoryError."""

    @abstractmethod
    def export(self, group: Group, start: int, end: int) -> Tensor:
        """What tokens [start, end) left in a group, as contiguous bytes (uint8)."""

    @abstractmethod
    def load(self, group: Group, start: int, tokens: int, payload: memoryview, shifts: Sequence[int] = ()) -> None:
        """Put back what `export` gave for [start, start + tokens), keys turned by `shifts` positions one after the other.

        Does not move `seen`.
        """

    def exported(self, group: Group, spans: Sequence[Span]) -> list[Tensor]:
        """What `export` gives for each span, in the host's memory."""
        return [self.export(group, span.start, span.end) for span in spans]

    @abstractmethod
    def shapes(self, group: Group, tokens: int) -> list[list[int]]:
        """The shapes [rows, H, tokens, D] of the tensors that `export` strings together, in their order."""

    @abstractmethod
    def nbytes(self, group: Group, tokens: int) -> int:
        """Bytes that `export` gives for so many tokens."""

    @abstractmethod
    def snapshot(self) -> Snapshot | None:
        """A copy of the fixed part, or None for a family that has none."""

    @abstractmethod
    def put_back(self, snapshot: Snapshot) -> None:
        """Take a snapshot in; the state is at its position then. Raises RecipeMismatch where it does not fit."""

    @abstractmethod
    def holds(self, tokens: int) -> bool:
        """Whether `crop(tokens)` is exact: nothing fixed, and no window that has moved on too far."""

    @abstractmethod
    def crop(self, tokens: int) -> None:
        """Forget all but the first `tokens` tokens. `crop(0)` gives a fresh state of any family."""

    @abstractmethod
    def settle(self, stored: int) -> None:
        """The first `stored` tokens are in the store: what windows no longer read of them may be overwritten."""

    @abstractmethod
    def release(self) -> None:
        """Give the memory back; the state is empty afterwards."""

    @property
    @abstractmethod
    def resident(self) -> int:
        """Bytes of the device's memory that it takes."""

    @property
    @abstractmethod
    def away(self) -> int:
        """Bytes that lie in the host's memory since it was parked; 0 where it was not."""

    @abstractmethod
    def park(self) -> None:
        """Leave the device's memory for the host's, to the bit. Nothing else is asked of a parked state than `unpark`,
        `release`, `seen`, `place` and `happened`.

        A state into which memories are pasted stays where it is, as does one with fast weights that act.
        """

    @abstractmethod
    def unpark(self) -> None:
        """Come back as it was when it was parked; a state that was not stays as it is."""

    @abstractmethod
    def fork(self) -> State:
        """An independent state with the same contents."""

    @abstractmethod
    def check(self) -> None:
        """Raises RuntimeError where the parts of the state disagree about how much it has absorbed."""


class Summaries:
    """Finds the backend that an eviction's event names; this one knows no calibrations."""

    def find(self, detail: Mapping[str, Any]) -> Summary:
        """The backend of an event's detail. Events that name none are of the time when there was only one."""
        name = detail.get("backend", HeavyHitters.name)
        if name == Infini.name:
            return self.infini(detail["gates"])
        return HeavyHitters() if name == HeavyHitters.name else SinksOnly()

    def made(self, memory: Memory) -> Summary:
        """The backend that made a memory."""
        return self.infini(memory.maker)

    def infini(self, gates: str) -> Infini:
        """The Infini memory with the calibration of this digest; "" has all gates closed. Raises RecipeMismatch."""
        if gates:
            raise RecipeMismatch(
                f"The conversation was summarised with the calibration {gates[:12]}, which is not on this machine. Copy "
                "the calibrations folder of the cache it was made with, or open the session with --as-text.",
                field="calibration",
                stored=gates,
                present="none",
            )
        return Infini()


class StateAdapter(ABC):
    """Makes the states of one model. `name` and `version` stand in every stored snapshot."""

    name: str
    version: int = 1
    groups: tuple[Group, ...] = ()
    fixed: bool = False
    batch_select: bool = False
    multi_token: bool = True
    movable: bool = False
    """Whether keys can be moved to other positions, so that blocks can be evicted and recalled."""
    hears: bool = False
    """Whether attention can be listened to: its mass counted, scores added to recalled keys."""
    joins: bool = False
    """Whether the next tokens of several states may go through the model in one forward (`together`)."""
    dtype: torch.dtype
    staging: Staging
    """Between the device that its states lie on and the host."""
    spares: Spares
    """What its states have left to the next ones."""
    banks: Sequence[Bank] = ()
    """The layers that attend to everything, and so may have a memory."""
    summaries: Summaries = Summaries()
    """The summary backends that evictions name."""

    @abstractmethod
    def new(self, capacity: int = 0, *, whole: bool = False) -> State:
        """An empty state with room for `capacity` tokens; with `whole` its windows keep every token."""

    @abstractmethod
    def layers(self) -> list[LayerKind]:
        """What each layer keeps."""

    def unplaced(self, layer: int, turned: Tensor, positions: Tensor) -> Tensor:
        """A layer's queries or keys [B, H, T, D] at `positions` [B, T], turned back to none. For families that hear."""
        return turned

    def warm(self, tokens: int) -> None:
        """Have memory ready for one session of up to `tokens` tokens, where that helps."""
        return

    def together(self, states: Sequence[Any]) -> Together:
        """One forward for several of its states, for families that join."""
        raise RuntimeError(f"states of {self.name} share no forward")

    def ahead(self, state: Any, count: int) -> Together:
        """One forward for the next `count` tokens of a state that is `plain`, for families that join."""
        raise RuntimeError(f"states of {self.name} take drafts one by one")

    def prompt(self, state: Any, count: int) -> Together:
        """One forward for the next `count` tokens of a state, attended at once, for families that join."""
        raise RuntimeError(f"states of {self.name} take a prompt as their model does")

    @property
    def supports(self) -> Supports:
        return Supports(self.multi_token, not self.fixed, self.batch_select)

    @property
    def identity(self) -> str:
        return f"{self.name}/{self.version}"
