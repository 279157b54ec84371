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

SHARE = 0.8
"""Of what a GPU has free once the model is loaded, what working states may take; the rest is for forwards."""

STAY_S = 1.0
"""How long tenants are in, before anything is known of that; each one that leaves counts a quarter."""

Asks = Callable[[], bool]


class Tenant(Protocol):
    """Whoever has working states."""

    def states(self) -> Iterable[State]: ...

    @property
    def stored(self) -> bool:
        """Whether the states can be had again, so that they may be dropped while the tenant is out."""
        ...

    def drop(self) -> None:
        """Let go of the states."""
        ...


class _Place:
    """A tenant that is in or out. `promised` are the bytes that it may take, `held` those that it took when it last told:
    what a state has is read in the thread that uses it alone.
    """

    def __init__(self, tenant: Tenant, promised: int = 0) -> None:
        self.tenant = tenant
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
        return sum(state.away for state in self.tenant.states())

    def look(self) -> None:
        self.held = sum(state.resident + state.away for state in self.tenant.states())


class Residence:
    """Thread safe. The states of a tenant that is in never leave; those of one that is out may, least recently used first.

    `bound` is for what lies on the device: beyond it states leave for the host's memory. `budget` is for all that is in
    memory, wherever it lies: beyond it states are dropped, and come back from the store. Whoever comes in says how much it
    may take; where those that are in leave no room for that it waits, in the order in which they came, for at most
    `patience` seconds.

    A tenant asks for nothing of its states while it is out. Without bounds nobody is kept track of, so that a session that
    is not closed goes when nobody has it any more.
    """

    def __init__(self, bound: int | None, budget: int | None = None, patience: float = 30.0) -> None:
        self.bound = bound
        self.budget = budget
        self.patience = patience
        self._change = threading.Condition()
        self._inside: dict[int, _Place] = {}
        self._outside: dict[int, _Place] = {}
        self._waiting: list[Tenant] = []
        self._unwanted: set[int] = set()
        self._stay = STAY_S

    @property
    def tracks(self) -> bool:
        """Whether there is any bound."""
        return self.bound is not None or self.budget is not None

    def enter(self, tenant: Tenant, need: int = 0) -> None:
        """The tenant's states come back to the device, to the bit; others leave for them and for `need` bytes of its own.

        Raises OverBudget where it needs more than there may ever be, Overloaded where those in use left no room in time.
        """
        if not self.tracks:
            return
        with self._change:
            if id(tenant) in self._inside:
                return
            self._admit(tenant, need)
            self._outside.pop(id(tenant), None)
            place = self._inside[id(tenant)] = _Place(tenant, need)
            self._make_room()
            self._place_on_device(place)

    def expect(self, tenant: Tenant, need: int) -> None:
        """A tenant that is in will take up to `need` bytes from now on. Raises as `enter` does; it stays in then.

        It waits only while somebody else who is in does not: who would be the last to wait is refused.
        """
        with self._change:
            place = self._inside.get(id(tenant))
            if place is None:
                return
            if self.budget is not None and need > self.budget:
                raise OverBudget(_too_large(need, self.budget))
            place.grows = True
            try:
                self._wait(tenant, lambda: self._fits(max(0, need - place.charge)), lambda: self._all_grow)
            finally:
                place.grows = False
                self._change.notify_all()
            place.promised = need
            self._make_room(max(0, need - place.held))

    def leave(self, tenant: Tenant) -> None:
        """The tenant's states may leave from now on."""
        if not self.tracks:
            return
        with self._change:
            place = self._drop(tenant) or _Place(tenant)
            self._stay += (time.monotonic() - place.since - self._stay) / 4
            place.promised = 0
            place.look()
            self._outside[id(tenant)] = place
            self._make_room()
            self._change.notify_all()

    def forget(self, tenant: Tenant) -> None:
        """The tenant has no states any more, or none that anybody else may touch."""
        with self._change:
            self._drop(tenant)
            self._change.notify_all()

    def give_up(self, tenant: Tenant) -> None:
        """Whoever waits for this tenant to come in, or to grow, waits no longer: it is Overloaded."""
        with self._change:
            if any(other is tenant for other in self._waiting):
                self._unwanted.add(id(tenant))
                self._change.notify_all()

    def make_room(self, tenant: Tenant | None = None) -> None:
        """States leave for those of a tenant that has grown."""
        with self._change:
            place = None if tenant is None else self._inside.get(id(tenant))
            if place is not None:
                place.look()
            self._make_room()

    @property
    def resident(self) -> int:
        """Bytes of the device that the tenants' states take."""
        with self._change:
            return self._resident

    @property
    def held(self) -> int:
        """Bytes that the tenants' states take wherever they lie, or may take while they are in."""
        with self._change:
            return self._held

    @property
    def in_use(self) -> int:
        """What of it is of tenants that are in."""
        with self._change:
            return self._in_use

    @property
    def waiting(self) -> int:
        """How many wait for others to leave."""
        return len(self._waiting)

    @property
    def _resident(self) -> int:
        places = [*self._inside.values(), *self._outside.values()]
        return sum(state.resident for place in places for state in place.tenant.states())

    @property
    def _in_use(self) -> int:
        return sum(place.charge for place in self._inside.values())

    @property
    def _held(self) -> int:
        return self._in_use + sum(place.held for place in self._outside.values())

    @property
    def _all_grow(self) -> bool:
        return all(place.grows for place in self._inside.values())

    def _drop(self, tenant: Tenant) -> _Place | None:
        inside, outside = self._inside.pop(id(tenant), None), self._outside.pop(id(tenant), None)
        return inside or outside

    def _admit(self, tenant: Tenant, need: int) -> None:
        """Wait for one's turn and for room."""
        if self.budget is None:
            return
        if need > self.budget:
            raise OverBudget(_too_large(need, self.budget))
        self._wait(tenant, lambda: self._next(tenant) and self._fits(need, tenant), lambda: False)

    def _wait(self, tenant: Tenant, ready: Asks, hopeless: Asks) -> None:
        """Until `ready`. Raises Overloaded when that takes too long, is given up, or cannot come about."""
        until = time.monotonic() + self.patience
        self._waiting.append(tenant)
        try:
            while not ready():
                left = until - time.monotonic()
                if left <= 0 or hopeless() or id(tenant) in self._unwanted:
                    raise self._overloaded()
                self._change.wait(left)
        finally:
            self._waiting = [other for other in self._waiting if other is not tenant]
            self._unwanted.discard(id(tenant))
            self._change.notify_all()

    def _next(self, tenant: Tenant) -> bool:
        """Whether nobody who came earlier waits, and nobody who is in and would be done the sooner."""
        newcomers = [other for other in self._waiting if id(other) not in self._inside]
        return newcomers[0] is tenant and not any(place.grows for place in self._inside.values())

    def _fits(self, more: int, tenant: Tenant | None = None) -> bool:
        """Whether there is room for more, once all are dropped that may be."""
        if self.budget is None:
            return True
        kept = [place.held for place in self._outside.values() if place.tenant is not tenant and not place.tenant.stored]
        return self._in_use + sum(kept) + more <= self.budget

    def _make_room(self, more: int = 0) -> None:
        if self.budget is not None:
            self._drop_some(self.budget)
        if self.bound is not None:
            self._park_some(self.bound, more)

    def _drop_some(self, budget: int) -> None:
        """Those out go, the least recently used first, until those in have what they were promised."""
        excess = self._held - budget
        for key, place in list(self._outside.items()):
            if excess <= 0:
                return
            if place.tenant.stored:
                del self._outside[key]
                place.tenant.drop()
                excess -= place.held

    def _park_some(self, bound: int, more: int) -> None:
        excess = self._resident + more - bound
        for state in (state for place in self._outside.values() for state in place.tenant.states()):
            if excess <= 0:
                return
            before = state.resident
            state.park()
            excess -= before - state.resident

    def _place_on_device(self, place: _Place) -> None:
        place.look()
        if self.bound is not None:
            self._park_some(self.bound, max(place.promised - place.held, 0) + place.away)
        for state in place.tenant.states():
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
