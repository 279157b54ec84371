"""What the transactions of every store have in common: the contract of `base`, written over a few ordered byte maps.

==========  ==================================  ==============================================
table       key                                 value
==========  ==================================  ==============================================
objects     digest                              record (see `codec`)
lineage     lineage id                          digest
linked      digest, lineage id                  empty: the way back, so that a delete finds it
refs        name                                sealed [target, meta]
reflog      name, NUL, u64 number (big-endian)  sealed [old, new, time in ms, reason]
==========  ==================================  ==============================================

A sealed value is an xxh3_64 over key and body, then the body in msgpack.
"""

from __future__ import annotations

import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xxhash

from ..errors import InvalidInput, ObjectMissing, RefChanged, StoreDamaged
from . import codec
from .base import DIGEST_SIZE, Buffer, Digest, Object, ReadTxn, Ref, RefLogEntry, WriteTxn

OBJECTS, LINEAGE, LINKED, REFS, REFLOG = "objects", "lineage", "linked", "refs", "reflog"
TABLES = (OBJECTS, LINEAGE, LINKED, REFS, REFLOG)

MAX_NAME = 400
_SUM = struct.Struct("<Q")
_NUMBER = struct.Struct(">Q")


class Tables(ABC):
    """Ordered maps from bytes to bytes inside one transaction."""

    @abstractmethod
    def get(self, table: str, key: bytes) -> Buffer | None:
        """The value of a key; valid until the transaction ends."""

    @abstractmethod
    def length(self, table: str, key: bytes) -> int | None:
        """The size of a value, without reading it."""

    @abstractmethod
    def keys(self, table: str, prefix: bytes) -> Iterator[bytes]:
        """Keys that start with `prefix`, ascending. The table may change while this is iterated."""

    @abstractmethod
    def last(self, table: str, prefix: bytes) -> bytes | None:
        """The greatest key that starts with `prefix`."""

    @abstractmethod
    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Set a key."""

    @abstractmethod
    def delete(self, table: str, key: bytes) -> None:
        """Remove a key, if it is there."""


class TableRead(ReadTxn):
    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def get(self, digest: Digest) -> Object:
        record = self.tables.get(OBJECTS, digest) if len(digest) == DIGEST_SIZE else None
        if record is None:
            raise ObjectMissing(
                f"Object {digest.hex()[:16]} is not in the store. Run `perdure fsck --repair`.", digest=digest
            )
        return codec.decode(record, digest)

    def has(self, digest: Digest) -> bool:
        return self.tables.length(OBJECTS, digest) is not None if digest else False

    def size(self, digest: Digest) -> int:
        return (self.tables.length(OBJECTS, digest) or 0) if digest else 0

    def digests(self, prefix: bytes = b"") -> Iterator[Digest]:
        return self.tables.keys(OBJECTS, prefix)

    def find(self, lineage: Digest) -> Digest | None:
        found = self.tables.get(LINEAGE, lineage)
        if found is None:
            return None
        digest = bytes(found)
        return digest if self.has(digest) else None

    def lineages(self) -> Iterator[tuple[Digest, Digest]]:
        for lineage in self.tables.keys(LINEAGE, b""):
            digest = self.tables.get(LINEAGE, lineage)
            if digest is not None:
                yield lineage, bytes(digest)

    def ref(self, name: str) -> Ref | None:
        key = ref_key(name)
        value = self.tables.get(REFS, key)
        return None if value is None else _open_ref(name, key, value)

    def refs(self, prefix: str = "") -> Iterator[tuple[str, Ref]]:
        for key in self.tables.keys(REFS, prefix.encode()):
            value = self.tables.get(REFS, key)
            if value is not None:
                name = _ref_name(key)
                yield name, _open_ref(name, key, value)

    def reflog(self, name: str) -> Iterator[RefLogEntry]:
        prefix = ref_key(name) + b"\0"
        for key in self.tables.keys(REFLOG, prefix):
            value = self.tables.get(REFLOG, key)
            if value is not None:
                yield _open_entry(name, key, value)


class TableWrite(TableRead, WriteTxn):
    def put(
        self,
        kind: str,
        payload: Buffer = b"",
        *,
        refs: Sequence[Digest] = (),
        meta: Mapping[str, Any] | None = None,
    ) -> Digest:
        digest, record = codec.encode(kind, refs, meta, payload)
        if not self.has(digest):
            self.tables.put(OBJECTS, digest, record)
        return digest

    def put_record(self, record: Buffer) -> Digest:
        digest = codec.digest_of(record)
        self.tables.put(OBJECTS, digest, record if isinstance(record, bytes) else bytes(record))
        return digest

    def link(self, lineage: Digest, digest: Digest) -> Digest:
        if len(lineage) != DIGEST_SIZE:
            raise InvalidInput(f"A lineage id has {DIGEST_SIZE} bytes; this one has {len(lineage)}.")
        winner = self.find(lineage)
        if winner is not None:
            return winner
        if not self.has(digest):
            raise ObjectMissing(f"Object {digest.hex()[:16]} cannot be linked: it is not in the store.", digest=digest)
        self.tables.put(LINEAGE, lineage, digest)
        self.tables.put(LINKED, digest + lineage, b"")
        return digest

    def set_ref(
        self, name: str, old: Digest | None, new: Digest, *, meta: Mapping[str, Any] | None = None, reason: str = ""
    ) -> None:
        if not self.has(new):
            raise ObjectMissing(f"Ref {name!r} cannot point to {new.hex()[:16]}: it is not in the store.", digest=new)
        present = self._present(name)
        if (present.target if present else None) != old:
            raise _changed(name, old, present)
        kept = meta if meta is not None else present.meta if present else {}
        key = ref_key(name)
        self.tables.put(REFS, key, _seal(key, [new, kept]))
        self._log(name, old, new, reason)

    def delete_ref(self, name: str, old: Digest, *, keep_log: bool = False) -> None:
        key = ref_key(name)
        present = self._present(name)
        if (present is None and self.tables.length(REFS, key) is None) or (present is not None and present.target != old):
            raise _changed(name, old, present)
        self.tables.delete(REFS, key)
        if keep_log:
            self._log(name, old, None, "deleted")
            return
        for entry in list(self.tables.keys(REFLOG, key + b"\0")):
            self.tables.delete(REFLOG, entry)

    def trim_reflog(self, name: str, before_ms: int) -> int:
        old = list(self.reflog(name))[:-1]
        gone = [entry for entry in old if entry.time_ms < before_ms]
        for entry in gone:
            self.tables.delete(REFLOG, _entry_key(name, entry.number))
        return len(gone)

    def delete(self, digest: Digest) -> int:
        size = self.size(digest)
        if not size:
            return 0
        for key in list(self.tables.keys(LINKED, digest)):
            lineage = key[DIGEST_SIZE:]
            if self.tables.get(LINEAGE, lineage) == digest:
                self.tables.delete(LINEAGE, lineage)
            self.tables.delete(LINKED, key)
        self.tables.delete(OBJECTS, digest)
        return size

    def drop_damaged(self) -> list[str]:
        """Remove refs, reflog entries and lineage links that cannot be read or lead nowhere; one sentence for each."""
        dropped = []
        for key in list(self.tables.keys(REFS, b"")):
            try:
                _open_ref(_ref_name(key), key, self.tables.get(REFS, key) or b"")
            except StoreDamaged as error:
                self.tables.delete(REFS, key)
                dropped.append(str(error))
        for key in list(self.tables.keys(REFLOG, b"")):
            try:
                _open_entry(_ref_name(key[: -_NUMBER.size - 1]), key, self.tables.get(REFLOG, key) or b"")
            except (StoreDamaged, struct.error) as error:
                self.tables.delete(REFLOG, key)
                dropped.append(str(error))
        return [*dropped, *self._drop_links()]

    def _drop_links(self) -> list[str]:
        dropped = []
        for lineage in list(self.tables.keys(LINEAGE, b"")):
            digest = bytes(self.tables.get(LINEAGE, lineage) or b"")
            if not self.has(digest) or self.tables.length(LINKED, digest + lineage) is None:
                self.tables.delete(LINEAGE, lineage)
                dropped.append(f"Lineage {lineage.hex()[:16]} led nowhere.")
        for key in list(self.tables.keys(LINKED, b"")):
            if self.tables.get(LINEAGE, key[DIGEST_SIZE:]) != key[:DIGEST_SIZE]:
                self.tables.delete(LINKED, key)
        return dropped

    def _present(self, name: str) -> Ref | None:
        """The ref, or None when it is absent or unreadable: only so can a repair put it right."""
        try:
            return self.ref(name)
        except StoreDamaged:
            return None

    def _log(self, name: str, old: Digest | None, new: Digest | None, reason: str) -> None:
        last = self.tables.last(REFLOG, ref_key(name) + b"\0")
        number = 1 if last is None else _NUMBER.unpack(last[-_NUMBER.size :])[0] + 1
        key = _entry_key(name, number)
        self.tables.put(REFLOG, key, _seal(key, [old, new, time.time_ns() // 1_000_000, reason]))


def ref_key(name: str) -> bytes:
    """A ref's name as a key. Raises InvalidInput for one that is empty, too long or holds a NUL."""
    key = name.encode("utf-8", "surrogatepass")
    if not key or len(key) > MAX_NAME or b"\0" in key:
        raise InvalidInput(f"{name[:40]!r} cannot name a ref: use 1 to {MAX_NAME} bytes without NUL.")
    return key


def _ref_name(key: bytes) -> str:
    try:
        return key.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise StoreDamaged(f"A ref's name ({key[:20]!r}) is damaged. Run `perdure fsck --repair`.") from error


def _entry_key(name: str, number: int) -> bytes:
    return ref_key(name) + b"\0" + _NUMBER.pack(number)


def _seal(key: bytes, value: list[Any]) -> bytes:
    body = codec.pack(value)
    return _SUM.pack(xxhash.xxh3_64_intdigest(key + body)) + body


def _unseal(key: bytes, value: Buffer, what: str) -> list[Any]:
    data = bytes(value)
    if len(data) > _SUM.size and _SUM.unpack_from(data)[0] == xxhash.xxh3_64_intdigest(key + data[_SUM.size :]):
        fields: list[Any] = codec.unpack(data[_SUM.size :])
        return fields
    raise StoreDamaged(f"{what} is damaged. Run `perdure fsck --repair`.")


def _open_ref(name: str, key: bytes, value: Buffer) -> Ref:
    target, meta = _unseal(key, value, f"Ref {name!r}")
    return Ref(target, meta)


def _open_entry(name: str, key: bytes, value: Buffer) -> RefLogEntry:
    number = _NUMBER.unpack(key[-_NUMBER.size :])[0]
    return RefLogEntry(number, *_unseal(key, value, f"Entry {number} in the log of ref {name!r}"))


def _changed(name: str, old: Digest | None, present: Ref | None) -> RefChanged:
    expected = old.hex()[:10] if old else "no ref"
    found = present.target.hex()[:10] if present else "no ref"
    return RefChanged(f"Ref {name!r} was expected at {expected}, but is at {found}. Read it again and retry.")
