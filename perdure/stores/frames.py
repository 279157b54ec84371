"""The frames of a journal and how they are found again in a damaged file.

A frame is::

    "PJR1" | u32 body length | u64 seq | u64 xxh3_64(length, seq, body; seed) | body (msgpack)

with little-endian integers. The seed comes from the journal's uid, so that bytes of another journal, pasted into a message,
are never taken for frames of this one. A file may begin with a marker: a frame of magic "PJM1" (its seed's lowest bit
flipped). In a mirror its seq is the last one that was settled: a journal that ends before it has lost something. In a
journal that was rewritten it is the number before the first: one that begins later has lost something.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from ..errors import InvalidInput
from . import codec

RECORD, MARKER = b"PJR1", b"PJM1"
MAX_BODY = 64 << 20
_HEAD = struct.Struct("<4sIQQ")
_SUMMED = struct.Struct("<IQ")
HEAD_SIZE = _HEAD.size


class Frame(NamedTuple):
    """A readable frame and where it stands."""

    seq: int
    body: dict[str, Any]
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


class Gap(NamedTuple):
    """Bytes that are no frame. `torn`: they run to the end of the file and cannot hold a whole frame."""

    offset: int
    length: int
    torn: bool


class Scan(NamedTuple):
    """What a file holds. `marked` is the number in its marker (-1: none), which ends at `start`."""

    frames: list[Frame]
    gaps: list[Gap]
    marked: int
    start: int

    @property
    def end(self) -> int:
        """Where the last readable frame ends."""
        return self.frames[-1].end if self.frames else self.start


def seed_of(uid: str) -> int:
    """The checksum seed of a journal."""
    return xxhash.xxh3_64_intdigest(uid.encode())


def build(seq: int, body: Mapping[str, Any], seed: int, magic: bytes = RECORD) -> bytes:
    """One frame. Raises InvalidInput for a body that is too large or not msgpack-able."""
    packed = codec.pack(body)
    if len(packed) > MAX_BODY:
        raise InvalidInput(f"A journal record of {len(packed)} bytes is too large; the limit is {MAX_BODY}.")
    return _HEAD.pack(magic, len(packed), seq, _checksum(magic, seq, packed, seed)) + packed


def mark(seq: int, seed: int) -> bytes:
    """A marker; nothing for -1."""
    return build(seq, {}, seed, MARKER) if seq >= 0 else b""


def marked(file: Path, seed: int) -> int:
    """The number in a file's marker, or -1."""
    try:
        with file.open("rb") as handle:
            return scan(handle.read(len(mark(0, seed))), seed).marked
    except FileNotFoundError:
        return -1


def scan(data: bytes, seed: int) -> Scan:
    """All readable frames of a file, numbers ascending, and the gaps between them."""
    frames: list[Frame] = []
    gaps: list[Gap] = []
    marked, start, at, last = -1, 0, 0, -1
    while at < len(data):
        frame = _read(data, at, seed, last)
        if frame is None:
            begin, at = at, _resync(data, at + 1, seed, last)
            gaps.append(Gap(begin, at - begin, at == len(data) and _is_torn(data, begin)))
            continue
        if data.startswith(MARKER, at):
            marked, start = frame.seq, frame.end
        else:
            frames.append(frame)
            last = frame.seq
        at = frame.end
    return Scan(frames, gaps, marked, start)


def _read(data: bytes, at: int, seed: int, last: int) -> Frame | None:
    if len(data) - at < HEAD_SIZE:
        return None
    magic, length, seq, checksum = _HEAD.unpack_from(data, at)
    if length > MAX_BODY or length > len(data) - at - HEAD_SIZE:
        return None
    if (magic != RECORD and not (magic == MARKER and at == 0)) or (magic == RECORD and seq <= last):
        return None
    body = data[at + HEAD_SIZE : at + HEAD_SIZE + length]
    if checksum != _checksum(magic, seq, body, seed):
        return None
    try:
        value = codec.unpack(body)
    except ValueError:
        return None
    return Frame(seq, value, at, HEAD_SIZE + length) if isinstance(value, dict) else None


def _resync(data: bytes, at: int, seed: int, last: int) -> int:
    """Where the next readable frame begins, or the end of the data."""
    for start in _candidates(data, at):
        if _read(data, start, seed, last) is not None:
            return start
    return len(data)


def _candidates(data: bytes, at: int) -> Iterator[int]:
    found = data.find(RECORD, at)
    while found >= 0:
        yield found
        found = data.find(RECORD, found + 1)


def _is_torn(data: bytes, at: int) -> bool:
    """Whether the bytes from here on are the beginning of one frame, cut short (or never-written zeros)."""
    rest = len(data) - at
    if not any(data[at : at + HEAD_SIZE]):
        return not any(data[at:])
    if rest < HEAD_SIZE:
        return data[at : at + len(RECORD)] == RECORD[:rest]
    magic, length, _, _ = _HEAD.unpack_from(data, at)
    return bool(magic == RECORD and rest < HEAD_SIZE + length)


def _checksum(magic: bytes, seq: int, body: bytes, seed: int) -> int:
    hasher = xxhash.xxh3_64(_SUMMED.pack(len(body), seq), seed=seed ^ (magic == MARKER))
    hasher.update(body)
    return hasher.intdigest()
