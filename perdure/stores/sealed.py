"""Files of derived data: written whole or not at all, and known to be whole before anything else reads them.

A file is an 8-byte magic, u64 xxh3_64 of all that follows, u32 header length, header (msgpack), then the header's `sizes`
parts one after the other. Integers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import xxhash

from ..errors import ObjectCorrupt, ObjectMissing
from .base import Buffer
from .files import replace, translating

_SUM = struct.Struct("<Q")
_LENGTH = struct.Struct("<I")


class Sealed(NamedTuple):
    """What a sealed file holds: a small header and large parts, read-only."""

    header: Mapping[str, Any]
    parts: list[memoryview]


def write(path: Path, magic: bytes, header: Mapping[str, Any], parts: list[Buffer]) -> None:
    """Replace the file. Raises StoreFull, StoreUnreadable or StoreError as the disk has it."""
    head = msgpack.packb({**header, "sizes": [memoryview(part).nbytes for part in parts]})
    body = [_LENGTH.pack(len(head)) + head, *(memoryview(part).cast("B") for part in parts)]
    hasher = xxhash.xxh3_64()
    for part in body:
        hasher.update(part)
    with translating(path):
        replace(path, magic + _SUM.pack(hasher.intdigest()), *body)


def read(path: Path, magic: bytes) -> Sealed:
    """Read the file. Raises ObjectMissing where there is none, ObjectCorrupt where it is not whole; both mean: rebuild."""
    with translating(path):
        try:
            data = memoryview(path.read_bytes())
        except FileNotFoundError as error:
            raise ObjectMissing(f"There is no index {path}; it is made anew from the store.") from error
    start = len(magic) + _SUM.size
    if len(data) < start + _LENGTH.size or data[: len(magic)] != magic or _sum(data, len(magic)) != _hash(data[start:]):
        raise ObjectCorrupt(f"The index {path} is damaged; it is derived data and is made anew from the store.")
    return _parse(data[start:])


def _sum(data: memoryview, at: int) -> int:
    return int(_SUM.unpack_from(data, at)[0])


def _hash(data: memoryview) -> int:
    return xxhash.xxh3_64_intdigest(data)


def _parse(body: memoryview) -> Sealed:
    (length,) = _LENGTH.unpack_from(body)
    at = _LENGTH.size + length
    header = msgpack.unpackb(body[_LENGTH.size : at])
    parts = []
    for size in header["sizes"]:
        parts.append(body[at : at + size])
        at += size
    return Sealed(header, parts)
