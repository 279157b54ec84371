"""The boundary between a device's memory and the host's: what leaves a GPU and comes back goes through here. On the CPU it
is no boundary: what is asked for is handed on as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...config import STAGING_BYTES
from ...memory.summary import Kept
from .base import Snapshot

ALIGNED = 64
"""Copies begin at multiples of so many bytes."""


class Staging:
    """One reusable buffer of `bound` host bytes, pinned, through which tensors go to a device and come from it. Thread safe.

    Copies are queued on the device's current stream; it is waited for once for as many as fit the buffer. What is larger
    than the buffer is copied without it.
    """

    def __init__(self, device: torch.device | str, bound: int = STAGING_BYTES) -> None:
        self.device = torch.device(device)
        self.bound = bound
        self._lock = threading.Lock()
        self._buffer: Tensor | None = None
        self._used = 0

    @property
    def at_home(self) -> bool:
        """Whether the device's memory is the host's."""
        return self.device.type == "cpu"

    def at_once(self, size: int) -> int:
        """How many tensors of `size` bytes one wait is enough for."""
        return 1 if self.at_home else max(1, self.bound // max(1, _aligned(size)))

    def to_host(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors in host memory, contiguous; those that are there already are handed on."""
        if self.at_home:
            return list(tensors)
        with self._lock:
            found: list[Tensor] = []
            for part in self._batches(tensors):
                found += self._fetched(part)
            return found

    def to_device(self, source: NDArray[np.uint8], target: Tensor) -> None:
        """Copy bytes, which may be read-only, into a tensor on the device. They are free again when this returns."""
        size = source.nbytes
        if size > self.bound:
            target.copy_(torch.from_numpy(source.copy()).view(target.dtype).view(target.shape))
            return
        with self._lock:
            if self._used + _aligned(size) > self.bound:
                self._wait()
                self._used = 0
            place = self._place(size)
            place.numpy()[...] = source
            target.copy_(place.view(target.dtype).view(target.shape), non_blocking=True)

    def placed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """CPU tensors on the device, by the same names."""
        if self.at_home:
            return dict(tensors)
        return {name: self._there(tensor) for name, tensor in tensors.items()}

    def parked(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Copies in host memory of their own, pinned where the host has room for that."""
        copies = [self._own(tensor) for tensor in tensors]
        for copy, tensor in zip(copies, tensors, strict=True):
            copy.copy_(tensor, non_blocking=True)
        self._wait()
        return copies

    def _batches(self, tensors: Sequence[Tensor]) -> list[list[Tensor]]:
        """Runs of tensors that fit the buffer together; what is too large for it stands alone."""
        batches: list[list[Tensor]] = [[]]
        used = 0
        for tensor in tensors:
            size = _aligned(tensor.nbytes)
            if batches[-1] and used + size > self.bound:
                batches.append([])
                used = 0
            batches[-1].append(tensor)
            used += size
        return batches

    def _fetched(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        if sum(_aligned(tensor.nbytes) for tensor in tensors) > self.bound:
            return [tensor.cpu() for tensor in tensors]
        if self._used:
            self._wait()
            self._used = 0
        places = [self._place(tensor.nbytes).view(tensor.dtype).view(tensor.shape) for tensor in tensors]
        for place, tensor in zip(places, tensors, strict=True):
            place.copy_(tensor, non_blocking=True)
        self._wait()
        self._used = 0
        return [place.clone() for place in places]

    def _place(self, size: int) -> Tensor:
        """The next bytes of the buffer."""
        if self._buffer is None:
            self._buffer = self._room(self.bound)
        start, self._used = self._used, self._used + _aligned(size)
        return self._buffer[start : start + size]

    def _there(self, tensor: Tensor) -> Tensor:
        if tensor.is_pinned():
            return tensor.to(self.device, non_blocking=True)
        found = torch.empty_like(tensor, device=self.device)
        self.to_device(tensor.contiguous().view(-1).view(torch.uint8).numpy(), found)
        return found

    def _own(self, like: Tensor) -> Tensor:
        return self._room(like.nbytes).view(like.dtype).view(like.shape)

    def _room(self, size: int) -> Tensor:
        # It outlives the forward that asked for it, so it must not be an inference tensor.
        with torch.inference_mode(mode=False):
            if self.device.type == "cuda":
                # Where the host pins no more, copies from pageable memory are slower and as right.
                with suppress(RuntimeError):
                    return torch.empty(size, dtype=torch.uint8, device="cpu", pin_memory=True)
            return torch.empty(size, dtype=torch.uint8, device="cpu")

    def _wait(self) -> None:
        """Until all that was queued on the device is done."""
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()


def hosted(snapshot: Snapshot, staging: Staging) -> Snapshot:
    """A snapshot with its numbers in host memory."""

    def move(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(zip(tensors, staging.to_host(list(tensors.values())), strict=True))

    return snapshot if staging.at_home else _moved(snapshot, move)


def parked(snapshot: Snapshot, staging: Staging) -> Snapshot:
    """A snapshot in host memory of its own, to lie there for a while."""

    def move(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(zip(tensors, staging.parked(list(tensors.values())), strict=True))

    return snapshot if staging.at_home else _moved(snapshot, move)


def placed(snapshot: Snapshot, staging: Staging) -> Snapshot:
    """A snapshot of the host's with its numbers on the device."""
    return snapshot if staging.at_home else _moved(snapshot, staging.placed)


def _moved(snapshot: Snapshot, move: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]) -> Snapshot:
    kept = snapshot.summary
    if kept is not None:
        kept = Kept.from_parts(move(kept.to_tensors()), kept.to_meta())
    return replace(snapshot, tensors=move(snapshot.tensors), summary=kept)


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
