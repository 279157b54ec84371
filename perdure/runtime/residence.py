"""Which working states lie on the device: those in use, and of the others the ones used last, within a bound of bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

import torch

from ..config import PagingOptions
from .state.base import State

SHARE = 0.8
"""Of what a GPU has free once the model is loaded, what working states may take; the rest is for forwards."""


class Tenant(Protocol):
    """Whoever has working states."""

    def states(self) -> Iterable[State]: ...


class Residence:
    """Thread safe. The states of a tenant that is in never leave; those of one that is out may, least recently used first.

    A tenant asks for nothing of its states while it is out. Without a bound nobody is kept track of, so that a session that
    is not closed goes when nobody has it any more.
    """

    def __init__(self, bound: int | None) -> None:
        self.bound = bound
        self._lock = threading.Lock()
        self._inside: list[Tenant] = []
        self._outside: list[Tenant] = []

    def enter(self, tenant: Tenant) -> None:
        """The tenant's states come back to the device, to the bit; others leave for them."""
        if self.bound is None:
            return
        with self._lock:
            self._outside = [other for other in self._outside if other is not tenant]
            if not any(other is tenant for other in self._inside):
                self._inside.append(tenant)
            self._make_room(sum(state.away for state in tenant.states()))
            for state in tenant.states():
                state.unpark()
            # The buffers that they got may be larger than what they held.
            self._make_room(0)

    def leave(self, tenant: Tenant) -> None:
        """The tenant's states may leave the device from now on."""
        if self.bound is None:
            return
        with self._lock:
            self._drop(tenant)
            self._outside.append(tenant)
            self._make_room(0)

    def make_room(self, more: int = 0) -> None:
        """States leave for those that have grown, and for `more` bytes that are about to come."""
        with self._lock:
            self._make_room(more)

    def forget(self, tenant: Tenant) -> None:
        """The tenant has no states any more, or none that anybody else may touch."""
        with self._lock:
            self._drop(tenant)

    @property
    def resident(self) -> int:
        """Bytes of the device that the tenants' states take."""
        return sum(state.resident for tenant in (*self._inside, *self._outside) for state in tenant.states())

    def _drop(self, tenant: Tenant) -> None:
        self._inside = [other for other in self._inside if other is not tenant]
        self._outside = [other for other in self._outside if other is not tenant]

    def _make_room(self, more: int) -> None:
        if self.bound is None:
            return
        excess = self.resident + more - self.bound
        for state in (state for tenant in self._outside for state in tenant.states()):
            if excess <= 0:
                return
            before = state.resident
            state.park()
            excess -= before - state.resident


def bound(options: PagingOptions, device: torch.device) -> int | None:
    """How many bytes of working states may lie on a device on which a model is loaded."""
    if options.resident_bytes is not None or device.type != "cuda":
        return options.resident_bytes
    free, _ = torch.cuda.mem_get_info(device)
    return int(SHARE * free)
