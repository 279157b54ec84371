"""Per-token tensors: slabs of equal rows, and the pool that their buffers come from."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .base import FULL, WINDOW, Group
from .paging import Staging
from .spares import Spares

ROOM = 256
"""Tokens that a newly made buffer has room for beyond what was asked, so that a short turn needs no larger one."""

SNUG_ROOM = 64
"""The same where bytes are counted."""

STRIDE = 4096
"""Tokens by which a buffer grows at most beyond what is asked for."""


class SlabShape(NamedTuple):
    """`rows` tensors [H, T, D] of one group: the keys and values of the layers in it, where those are of equal shape."""

    group: Group
    rows: int
    heads: int
    dim: int
    dtype: torch.dtype

    @property
    def per_token(self) -> int:
        """Bytes of one token."""
        return self.rows * self.heads * self.dim * self.dtype.itemsize


class BufferPool:
    """Buffers [rows, H, capacity, D] whose pages are in memory already, where there are spare ones; `warm` makes one ahead
    of time.
    """

    def __init__(self, shape: SlabShape, staging: Staging, spares: Spares) -> None:
        self.shape = shape
        self.staging = staging
        self.spares = spares

    def take(self, capacity: int) -> Tensor:
        """A buffer with room for at least `capacity` tokens; what is in it is of no meaning."""
        if not capacity:
            return self._new(0)
        snug = self.spares.snug
        found = self.spares.take(self.shape, capacity, snug_capacity(capacity) if snug else math.inf)
        if found is not None:
            return found
        if not snug:
            return self._new(capacity + ROOM)
        # Few sizes, so that what one session leaves fits another.
        room = _rounded(capacity + SNUG_ROOM)
        self.spares.make_way(room * self.shape.per_token)
        return self._new(room)

    def give(self, buffer: Tensor) -> None:
        """Keep a buffer for the next one who asks, if the bound allows."""
        self.spares.give(self.shape, buffer)

    def warm(self, tokens: int) -> None:
        """Have a buffer of up to `tokens` tokens ready, as large as the bound allows, its pages touched."""
        self.give(self._new(min(tokens, self.spares.bound // self.shape.per_token)).zero_())

    def _new(self, capacity: int) -> Tensor:
        _, rows, heads, dim, dtype = self.shape
        # A buffer outlives the forward that asked for it, so it must not be an inference tensor.
        with torch.inference_mode(mode=False):
            return torch.empty(rows, heads, capacity, dim, dtype=dtype, device=self.staging.device)


class Slab:
    """The rows of one SlabShape for one state: token t of row r is `buffer[r, :, t - base]`.

    A slab with a window moves up when it runs out of room: tokens before `_floor` are overwritten then.
    """

    def __init__(self, pool: BufferPool, *, whole: bool) -> None:
        self._pool = pool
        self.shape = pool.shape
        self._slides = self.shape.group.window is not None and not whole
        self.base = self._floor = 0
        self.buffer = pool.take(0)

    @property
    def end(self) -> int:
        """The first token that there is no room for."""
        return self.base + self.buffer.shape[2]

    def reserve(self, tokens: int, seen: int) -> None:
        """Make room for tokens up to `tokens`; of the `seen` first ones those that may be read again stay."""
        if tokens <= self.end:
            return
        start = self._floor if self._slides else 0
        needed = tokens - start
        grown = self._room_for(needed)
        held = self.buffer[:, :, start - self.base : seen - self.base]
        # In place the source and the target may overlap, which a copy through fresh memory allows.
        grown[:, :, : seen - start] = held.clone() if grown is self.buffer else held
        if grown is not self.buffer:
            self._pool.give(self.buffer)
        self.buffer, self.base = grown, start

    def _room_for(self, needed: int) -> Tensor:
        """The present buffer for a window that fits with a quarter to spare, so that it moves up seldom; or a larger one."""
        room = self.buffer.shape[2]
        if not self._slides:
            more = room // 4 if self._pool.spares.snug else room
            return self._pool.take(max(needed, room + min(more, STRIDE)))
        return self.buffer if needed <= room * 3 // 4 else self._pool.take(needed + needed // 2)

    def settle(self, tokens: int) -> None:
        """Of the first `tokens` tokens only those that a forward after them reads need to stay."""
        if self._slides:
            self._floor = max(self._floor, self.shape.group.floor(tokens))

    def holds(self, tokens: int) -> bool:
        """Whether all that a forward after `tokens` reads is here."""
        return self.base <= self.shape.group.floor(tokens)

    def crop(self, tokens: int) -> None:
        self._floor = min(self._floor, self.shape.group.floor(tokens))
        if tokens == 0:
            self.base = 0

    def put(self, row: int, start: int, values: Tensor) -> None:
        """values [H, T, D] of tokens [start, start + T)."""
        at = start - self.base
        self.buffer[row, :, at : at + values.shape[1]] = values

    def view(self, row: int, start: int, end: int) -> Tensor:
        """Tokens [start, end) of a row as [1, H, T, D]."""
        return self.buffer[row : row + 1, :, start - self.base : end - self.base]

    def views(self, start: int, end: int) -> tuple[Tensor, ...]:
        """The same of each row."""
        return self.buffer[:, None, :, start - self.base : end - self.base].unbind()

    def export(self, start: int, end: int) -> Tensor:
        return self.buffer[:, :, start - self.base : end - self.base].contiguous().view(-1).view(torch.uint8)

    def load(self, start: int, tokens: int, payload: memoryview) -> None:
        target = self.buffer[:, :, start - self.base : start - self.base + tokens].view(torch.uint8)
        # numpy copies straight out of the read-only map; torch would want a writable buffer first
        source = np.frombuffer(payload, dtype=np.uint8).reshape(target.shape)
        if target.device.type == "cpu":
            target.numpy()[...] = source
        else:
            self._pool.staging.to_device(source, target)

    def open_at(self, start: int) -> None:
        """An empty slab begins at token `start`, because nothing before it will be read."""
        if self._slides:
            self.base = self._floor = start

    def release(self) -> None:
        self._pool.give(self.buffer)
        self.buffer = self._pool.take(0)
        self.base = self._floor = 0

    def used(self, seen: int) -> Tensor:
        """All that a slab of `seen` tokens holds."""
        return self.buffer[:, :, : max(0, seen - self.base)]

    def vacate(self) -> None:
        """Give the buffer away; what it held is somewhere else and comes back by `occupy`."""
        self._pool.give(self.buffer)
        self.buffer = self._pool.take(0)

    def occupy(self, held: Tensor) -> None:
        """Hold again what `used` gave."""
        self.buffer = self._pool.take(held.shape[2])
        self.buffer[:, :, : held.shape[2]].copy_(held, non_blocking=True)

    def copy_from(self, other: Slab, seen: int) -> None:
        """Become an independent twin of `other`."""
        self.buffer = self._pool.take(max(0, seen - other.base))
        self.base, self._floor, self._slides = other.base, other._floor, other._slides
        self.buffer[:, :, : seen - self.base] = other.buffer[:, :, : seen - self.base]


def snug_capacity(tokens: int) -> int:
    """The most tokens that a buffer has room for that was taken for so many, where bytes are counted."""
    return (tokens + SNUG_ROOM) * 9 // 8


def grown_capacity(tokens: int) -> int:
    """The same of a buffer that has grown to hold so many."""
    return snug_capacity(tokens + min(tokens // 4, STRIDE))


def _rounded(tokens: int) -> int:
    """Up to the next of eight steps between two powers of two."""
    step = max(1, 1 << (tokens.bit_length() - 4)) if tokens >= 16 else 1
    return -(-tokens // step) * step


def group_of(window: int | None) -> Group:
    return Group(FULL) if window is None else Group(WINDOW, window)
