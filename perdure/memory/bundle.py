"""Bundles: one session in one file, to carry to another machine. (docs/format.md)

"PDBUNDL1" | u32 length | manifest (msgpack) | n x (u64 length | record) | BLAKE3 of all bytes before it
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgpack
from blake3 import blake3

from ..errors import MalformedBundle, ObjectCorrupt, ObjectMissing, PerdureError, RevisionNotFound, StoreError, StoreFull
from ..stores import codec
from ..stores.base import DIGEST_SIZE, Digest, ReadTxn, WriteTxn
from . import commits, reach
from .records import Commit

MAGIC = b"PDBUNDL1"
VERSION = 1
_MAX_MANIFEST = 1 << 20
_CHUNK = 1 << 20
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Manifest(NamedTuple):
    name: str
    model: str
    head: Digest
    objects: int


def write(
    txn: ReadTxn,
    head: Commit,
    file: Path,
    name: str,
    model: str,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write everything reachable from `head`; the file appears whole or not at all. Returns its bytes."""
    digests = sorted(reach.reachable(txn, [head.digest]) | reach.snapshots(txn, head))
    manifest = {"v": VERSION, "name": name, "model": model, "head": head.digest, "objects": len(digests)}
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as out:
            size = _stream(txn, out, msgpack.packb(manifest), digests, progress)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except OSError as error:
        if isinstance(error, PerdureError):
            raise
        kind = StoreFull if error.errno in FULL else StoreError
        raise kind(f"Cannot write the bundle {file}: {error.strerror}. Nothing was left behind.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return size


def _stream(
    txn: ReadTxn, out: BinaryIO, manifest: bytes, digests: list[Digest], progress: Callable[[int, int], None] | None
) -> int:
    hasher, size = blake3(), 0

    def emit(data: bytes) -> None:
        nonlocal size
        out.write(data)
        hasher.update(data)
        size += len(data)

    emit(MAGIC + len(manifest).to_bytes(4, "little") + manifest)
    for done, digest in enumerate(digests, 1):
        item = txn.get(digest)
        _, record = codec.encode(item.kind, item.refs, item.meta, item.payload)
        emit(len(record).to_bytes(8, "little"))
        emit(bytes(record))
        if progress is not None:
            progress(done, len(digests))
    out.write(hasher.digest())
    return size + DIGEST_SIZE


class Source:
    """An opened bundle whose framing and checksum have been verified."""

    def __init__(self, file: BinaryIO, manifest: Manifest, start: int, end: int) -> None:
        self._file = file
        self._start = start
        self._end = end
        self.manifest = manifest

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def head(self) -> Digest:
        return self.manifest.head

    def store(self, txn: WriteTxn, progress: Callable[[int, int], None] | None = None) -> list[bytes]:
        """Put every object into the transaction and check that the head can be read whole; returns the small records.

        Raises MalformedBundle, and then the caller's transaction must be rolled back.
        """
        small = []
        for done, record in enumerate(self._records(), 1):
            item = _decoded(record)
            if not txn.has(item.digest):
                txn.put_record(record)
            if item.kind not in commits.BULK:
                small.append(record)
            if progress is not None:
                progress(done, self.manifest.objects)
        _check_head(txn, self.head)
        return small

    def _records(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        position = self._start
        for _ in range(self.manifest.objects):
            length = int.from_bytes(self._read(position, 8), "little")
            yield self._read(position + 8, length)
            position += 8 + length
        if position != self._end:
            raise MalformedBundle("The bundle holds more than its manifest says; it was not written by Perdure.")

    def _read(self, position: int, length: int) -> bytes:
        if position + length > self._end:
            raise MalformedBundle(f"The bundle ends inside a record at byte {position}; export the session again.")
        return self._file.read(length)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a bundle and verify its framing and checksum, without loading it into memory. Raises MalformedBundle."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise MalformedBundle(f"Cannot read the bundle {path}: {error.strerror}.") from error
    with file:
        yield _verified(file, path)


def _verified(file: BinaryIO, path: Path) -> Source:
    size = os.fstat(file.fileno()).st_size
    head = file.read(len(MAGIC) + 4)
    if len(head) < len(MAGIC) + 4 or head[: len(MAGIC)] != MAGIC:
        raise MalformedBundle(f"{path} is not a Perdure bundle.")
    length = int.from_bytes(head[len(MAGIC) :], "little")
    start = len(head) + length
    if length > _MAX_MANIFEST or start + DIGEST_SIZE > size:
        raise MalformedBundle(f"{path} is truncated or its manifest is damaged; export the session again.")
    manifest = _manifest(file.read(length), path)
    if _digest(file, size - DIGEST_SIZE) != _tail(file, size):
        raise MalformedBundle(f"{path} is damaged: its checksum does not match. Export the session again.")
    return Source(file, manifest, start, size - DIGEST_SIZE)


def _manifest(data: bytes, path: Path) -> Manifest:
    try:
        raw: Any = msgpack.unpackb(data)
        version, found = raw["v"], Manifest(raw["name"], raw["model"], raw["head"], raw["objects"])
        sound = _sound(version, found)
    except Exception as error:
        raise MalformedBundle(f"{path} has a manifest that cannot be read: {error}.") from error
    if sound and version > VERSION:
        raise MalformedBundle(f"{path} was written by a newer Perdure (bundle version {version}); upgrade to read it.")
    if not sound:
        raise MalformedBundle(f"{path} has a manifest whose fields are out of range.")
    return found


def _sound(version: Any, found: Manifest) -> bool:
    kinds = (isinstance(version, int), isinstance(found.name, str), isinstance(found.model, str))
    return all(kinds) and len(bytes(found.head)) == DIGEST_SIZE and 0 < found.objects < 1 << 40


def _digest(file: BinaryIO, end: int) -> bytes:
    file.seek(0)
    hasher, left = blake3(), end
    while left:
        data = file.read(min(_CHUNK, left))
        hasher.update(data)
        left -= len(data)
    return hasher.digest()


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(size - DIGEST_SIZE)
    return file.read(DIGEST_SIZE)


def _decoded(record: bytes) -> Any:
    try:
        digest = codec.digest_of(record)
        return codec.decode(record, digest, deep=True)
    except ObjectCorrupt as error:
        raise MalformedBundle(f"The bundle holds a damaged record: {error}") from error


def _check_head(txn: ReadTxn, head: Digest) -> None:
    try:
        commit = commits.read(txn, head)
        commits.messages(txn, commit)
        counted = sum(len(run.tokens) for run in commits.runs(txn, commit))
        held = sum(n for _, n, _ in commits.block_list(txn, commit))
        slid = sum(n for _, n, _ in commits.window_list(txn, commit))
        holes = next(reach.missing(txn, [head]), None)
    except (ObjectMissing, ObjectCorrupt, RevisionNotFound, UnicodeDecodeError, TypeError, ValueError, KeyError) as error:
        raise MalformedBundle(f"The bundle's commit cannot be read: {error}") from error
    if holes is not None or counted != commit.tokens or held != commit.tokens or slid not in (0, held):
        raise MalformedBundle("The bundle lacks objects that its commit refers to; export the session again.")


__all__ = ["MAGIC", "Manifest", "Source", "opened", "write"]
