"""Which working states are in memory, and which of them on the device: those in use, and of the others the ones used last,
each within a bound of bytes.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import torch

from ..config import PagingOptions
from ..errors import OverBudget, Overloaded
from .state.base import State
from .state.spares import Spares

SHARE = 0.8
"""Of what a GPU has free once the model is loaded, what working states may take; the rest is for forwards."""

STAY_S = 1.0
"""How long occupants are in, before anything is known of that; each one that leaves counts a quarter."""

Asks = Callable[[], bool]


class Occupant(Protocol):
    """Whoever has working states."""

    def states(self) -> Iterable[State]: ...

    @property
    def stored(self) -> bool:
        """Whether the states can be had again, so that they may be dropped while the occupant is out."""
        ...

    def drop(self) -> None:
        """Let go of the states."""
        ...


class _Place:
    """An occupant that is in or out. `promised` are the bytes that it may take, `held` those that it took when it last told:
    what a state has is read in the thread that uses it alone.
    """

    def __init__(self, occupant: Occupant, promised: int = 0) -> None:
        self.occupant = occupant
        self.promised = promised
        self.held = 0
        self.since = time.monotonic()
        self.grows = False

    @property
    def charge(self) -> int:
        """What has to be kept free for it while it is in."""
        return max(self.promised, self.held)

    @property
    def away(self) -> int:
        """Bytes of its states that lie in the host's memory since they were parked."""
        return sum(state.away for state in self.occupant.states())

    def look(self) -> None:
        self.held = sum(state.resident + state.away for state in self.occupant.states())


class Residence:
    """Thread safe. The states of an occupant that is in never leave; those of one that is out may, the least recently used
    first.

    `bound` is for what lies on the device: beyond it states leave for the host's memory. `budget` is for all that is in
    memory, wherever it lies: beyond it `spares` go, then states are dropped, and come back from the store. Whoever comes in
    says how much it may take, which spares may be until it has taken it; where those that are in leave no room for that it
    waits, in the order in which they came, for at most `patience` seconds.

    An occupant asks for nothing of its states while it is out. Without bounds nobody is kept track of, so that a session
    that is not closed goes when nobody has it any more.
    """

    def __init__(
        self, bound: int | None, budget: int | None = None, patience: float = 30.0, spares: Spares | None = None
    ) -> None:
        self.bound = bound
        self.budget = budget
        self.patience = patience
        self._spares = spares or Spares()
        self._change = threading.Condition()
        self._inside: dict[int, _Place] = {}
        self._outside: dict[int, _Place] = {}
        self._waiting: list[Occupant] = []
        self._unwanted: set[int] = set()
        self._stay = STAY_S

    @property
    def tracks(self) -> bool:
        """Whether there is any bound."""
        return self.bound is not None or self.budget is not None

    def enter(self, occupant: Occupant, need: int = 0) -> None:
        """The occupant's states come back to the device, to the bit; others leave for them and for `need` bytes of its own.

        Raises OverBudget where it needs more than there may ever be, Overloaded where those in use left no room in time.
        """
        if not self.tracks:
            return
        with self._change:
            if id(occupant) in self._inside:
                return
            self._admit(occupant, need)
            self._outside.pop(id(occupant), None)
            place = self._inside[id(occupant)] = _Place(occupant, need)
            self._make_room()
            self._place_on_device(place)

    def expect(self, occupant: Occupant, need: int) -> None:
        """An occupant that is in will take up to `need` bytes from now on. Raises as `enter` does; it stays in then.

        It waits only while somebody else who is in does not: who would be the last to wait is refused.
        """
        with self._change:
            place = self._inside.get(id(occupant))
            if place is None:
                return
            if self.budget is not None and need > self.budget:
                raise OverBudget(_too_large(need, self.budget))
            place.grows = True
            try:
                self._wait(occupant, lambda: self._fits(max(0, need - place.charge)), lambda: self._all_grow)
            finally:
                place.grows = False
                self._change.notify_all()
            place.promised = need
            self._make_room(max(0, need - place.held))

    def expect_more(self, occupant: Occupant, need: int) -> None:
        """The same, unless it may take as much already."""
        with self._change:
            place = self._inside.get(id(occupant))
            if place is not None and need > place.charge:
                self.expect(occupant, need)

    def leave(self, occupant: Occupant) -> None:
        """The occupant's states may leave from now on."""
        if not self.tracks:
            return
        with self._change:
            place = self._drop(occupant) or _Place(occupant)
            self._stay += (time.monotonic() - place.since - self._stay) / 4
            place.promised = 0
            place.look()
            self._outside[id(occupant)] = place
            self._make_room()
            self._change.notify_all()

    def forget(self, occupant: Occupant) -> None:
        """The occupant has no states any more, or none that anybody else may touch."""
        with self._change:
            self._drop(occupant)
            self._change.notify_all()

    def give_up(self, occupant: Occupant) -> None:
        """Whoever waits for this occupant to come in, or to grow, waits no longer: it is Overloaded."""
        with self._change:
            if any(other is occupant for other in self._waiting):
                self._unwanted.add(id(occupant))
                self._change.notify_all()

    def make_room(self, occupant: Occupant | None = None) -> None:
        """States leave for those of an occupant that has grown."""
        with self._change:
            place = None if occupant is None else self._inside.get(id(occupant))
            if place is not None:
                place.look()
            self._make_room()

    @property
    def resident(self) -> int:
        """Bytes of the device that the occupants' states take."""
        with self._change:
            return self._resident

    @property
    def held(self) -> int:
        """Bytes that the occupants' states take wherever they lie, or may take while they are in, and spares beyond that."""
        with self._change:
            return self._held + max(0, self._spares.nbytes - self._untaken)

    @property
    def in_use(self) -> int:
        """What of it is of occupants that are in."""
        with self._change:
            return self._in_use

    @property
    def waiting(self) -> int:
        """How many wait for others to leave."""
        return len(self._waiting)

    @property
    def _resident(self) -> int:
        places = [*self._inside.values(), *self._outside.values()]
        return sum(state.resident for place in places for state in place.occupant.states())

    @property
    def _in_use(self) -> int:
        return sum(place.charge for place in self._inside.values())

    @property
    def _held(self) -> int:
        return self._in_use + sum(place.held for place in self._outside.values())

    @property
    def _untaken(self) -> int:
        """What of the promises is not taken yet: spares may have it until then."""
        return sum(place.charge - place.held for place in self._inside.values())

    @property
    def _all_grow(self) -> bool:
        return all(place.grows for place in self._inside.values())

    def _drop(self, occupant: Occupant) -> _Place | None:
        inside, outside = self._inside.pop(id(occupant), None), self._outside.pop(id(occupant), None)
        return inside or outside

    def _admit(self, occupant: Occupant, need: int) -> None:
        """Wait for one's turn and for room."""
        if self.budget is None:
            return
        if need > self.budget:
            raise OverBudget(_too_large(need, self.budget))
        self._wait(occupant, lambda: self._next(occupant) and self._fits(need, occupant), lambda: False)

    def _wait(self, occupant: Occupant, ready: Asks, hopeless: Asks) -> None:
        """Until `ready`. Raises Overloaded when that takes too long, is given up, or cannot come about."""
        until = time.monotonic() + self.patience
        self._waiting.append(occupant)
        try:
            while not ready():
                left = until - time.monotonic()
                if left <= 0 or hopeless() or id(occupant) in self._unwanted:
                    raise self._overloaded()
                self._change.wait(left)
        finally:
            self._waiting = [other for other in self._waiting if other is not occupant]
            self._unwanted.discard(id(occupant))
            self._change.notify_all()

    def _next(self, occupant: Occupant) -> bool:
        """Whether nobody who came earlier waits, and nobody who is in and would be done the sooner."""
        newcomers = [other for other in self._waiting if id(other) not in self._inside]
        return newcomers[0] is occupant and not any(place.grows for place in self._inside.values())

    def _fits(self, more: int, occupant: Occupant | None = None) -> bool:
        """Whether there is room for more, once all are dropped that may be."""
        if self.budget is None:
            return True
        others = [place for place in self._outside.values() if place.occupant is not occupant]
        kept = sum(place.held for place in others if not place.occupant.stored)
        return self._in_use + kept + more <= self.budget

    def _make_room(self, more: int = 0) -> None:
        if self.budget is not None:
            self._drop_some(self.budget)
        if self.bound is not None:
            self._park_some(self.bound, more)

    def _drop_some(self, budget: int) -> None:
        """Those out go, the least recently used first, until those in have what they were promised. They leave spares,
        which those in may take; what they may not goes.
        """
        excess = self._held - budget
        for key, place in list(self._outside.items()):
            if excess > 0 and place.occupant.stored:
                del self._outside[key]
                place.occupant.drop()
                excess -= place.held
        self._spares.trim(max(0, budget - self._held + self._untaken))

    def _park_some(self, bound: int, more: int) -> None:
        excess = self._resident + more - bound
        for state in (state for place in self._outside.values() for state in place.occupant.states()):
            if excess <= 0:
                return
            before = state.resident
            state.park()
            excess -= before - state.resident

    def _place_on_device(self, place: _Place) -> None:
        place.look()
        if self.bound is not None:
            self._park_some(self.bound, max(place.promised - place.held, 0) + place.away)
        for state in place.occupant.states():
            state.unpark()
        # The buffers that they got may be larger than what they held.
        place.look()
        self._make_room()

    def _overloaded(self) -> Overloaded:
        """Those who wait come in at the pace at which those who are in have left lately."""
        seconds = self._stay * (1 + len(self._waiting) / max(1, len(self._inside)))
        return Overloaded(
            "All of the memory for working states is taken by sessions that are in use; try again in a moment.",
            retry_after=max(1, math.ceil(seconds)),
        )


def _too_large(need: int, budget: int) -> str:
    return (
        f"This conversation may need {need / 2**20:.0f} MiB for its working state, and all of them together may have "
        f"{budget / 2**20:.0f} MiB: give it a smaller window or fewer max_tokens, or the server more memory (--hot-bytes)."
    )


def bound(options: PagingOptions, device: torch.device) -> int | None:
    """How many bytes of working states may lie on a device on which a model is loaded."""
    if options.resident_bytes is not None or device.type != "cuda":
        return options.resident_bytes
    free, _ = torch.cuda.mem_get_info(device)
    return int(SHARE * free)
