"""Records: the bytes of one object on disk, and back. Every length is validated before anything is sliced."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import blake3
import msgpack
import xxhash

from ..errors import InvalidInput, ObjectCorrupt
from .base import DIGEST_SIZE, Buffer, Digest, Object

MAGIC = b"PDO1"
_PREFIX = struct.Struct("<4sIQ")
_KEYS = {"k", "r", "m"}


class _Frame(NamedTuple):
    checksum: int
    header: memoryview
    payload: memoryview


def encode(kind: str, refs: Sequence[Digest], meta: Mapping[str, Any] | None, payload: Buffer = b"") -> tuple[Digest, bytes]:
    """The digest and the record of an object. Equal content gives equal bytes, whatever the order of `meta`.

    Raises InvalidInput when `refs` are not digests or `meta` holds what msgpack cannot carry.
    """
    header = _pack_header(kind, refs, meta)
    body = _flat(payload)
    digest = _hash(header, body)
    prefix = _PREFIX.pack(MAGIC, len(header), _checksum(digest, header, body))
    return digest, b"".join((prefix, header, body))


def decode(record: Buffer, digest: Digest | None = None, *, deep: bool = False) -> Object:
    """Read a record that stands under `digest`, its checksum verified; `deep` verifies the digest itself as well.

    Without a digest it is computed. The payload points into `record`. Raises ObjectCorrupt for anything malformed.
    """
    frame = _split(record, digest)
    known = _hash(frame.header, frame.payload) if digest is None or deep else digest
    if digest is not None and known != digest:
        raise _corrupt("its content does not match its digest", digest)
    if _checksum(known, frame.header, frame.payload) != frame.checksum:
        raise _corrupt("its checksum does not match", known)
    kind, refs, meta = _unpack_header(frame.header, known)
    return Object(known, kind, refs, meta, frame.payload)


def digest_of(record: Buffer) -> Digest:
    """The digest of an encoded record, its checksum verified. Raises ObjectCorrupt."""
    return decode(record).digest


def _flat(data: Buffer) -> memoryview:
    view = memoryview(data)
    return view if view.ndim == 1 and view.format == "B" else view.cast("B")


def _hash(header: Buffer, payload: Buffer) -> Digest:
    hasher = blake3.blake3(header)
    hasher.update(payload)
    return hasher.digest()


def _checksum(digest: Digest, header: Buffer, payload: Buffer) -> int:
    hasher = xxhash.xxh3_64(seed=int.from_bytes(digest[:8], "little"))
    hasher.update(header)
    hasher.update(payload)
    return hasher.intdigest()


def _split(record: Buffer, digest: Digest | None) -> _Frame:
    view = _flat(record)
    if len(view) < _PREFIX.size:
        raise _corrupt(f"it has {len(view)} bytes, fewer than a record's first {_PREFIX.size}", digest)
    magic, length, checksum = _PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise _corrupt("it does not begin as a record does", digest)
    start = _PREFIX.size + length
    if start > len(view):
        raise _corrupt(f"its header claims {length} bytes, more than there are", digest)
    return _Frame(checksum, view[_PREFIX.size : start], view[start:])


def _pack_header(kind: str, refs: Sequence[Digest], meta: Mapping[str, Any] | None) -> bytes:
    links = [bytes(ref) for ref in refs]
    if any(len(link) != DIGEST_SIZE for link in links):
        raise InvalidInput(f"An object of kind {kind!r} refers to something that is not a {DIGEST_SIZE}-byte digest.")
    return pack({"k": kind, "r": links, "m": meta or {}})


def _unpack_header(header: memoryview, digest: Digest) -> tuple[str, list[Digest], dict[str, Any]]:
    try:
        fields = unpack(header)
    except ValueError as error:
        raise _corrupt(f"its header is not readable ({error})", digest) from error
    if not isinstance(fields, dict) or fields.keys() != _KEYS:
        raise _corrupt("its header has the wrong fields", digest)
    kind, refs, meta = fields["k"], fields["r"], fields["m"]
    if not (isinstance(kind, str) and isinstance(refs, list) and isinstance(meta, dict)):
        raise _corrupt("its header has fields of the wrong type", digest)
    if {*map(type, refs)} - {bytes} or {*map(len, refs)} - {DIGEST_SIZE}:
        raise _corrupt("its header lists something that is not a digest", digest)
    return kind, refs, meta


def pack(value: Any) -> bytes:
    """msgpack with sorted keys, so that equal values give equal bytes. Raises InvalidInput."""
    try:
        return bytes(msgpack.packb(_canonical(value), use_bin_type=True, strict_types=True))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"A value cannot be stored: {error}. Use None, numbers, text, bytes, lists and maps.") from error


def unpack(data: Buffer) -> Any:
    """Read what `pack` wrote. Raises ValueError for anything else."""
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True, ext_hook=_no_extension)
    except (msgpack.exceptions.UnpackException, TypeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__} in msgpack data") from error


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"unknown msgpack extension {code}")


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of a map must be text")
        return {key: _canonical(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value


def _corrupt(why: str, digest: Digest | None) -> ObjectCorrupt:
    name = f"Object {digest.hex()[:16]}" if digest else "A record"
    return ObjectCorrupt(f"{name} is damaged: {why}. Run `perdure fsck --repair`.", digest=digest or b"")
