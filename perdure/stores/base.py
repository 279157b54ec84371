"""The store contract: immutable objects, a lineage index and refs, in one transactional space. Bytes in, bytes out.

A record on disk is (docs/format.md)::

    "PDO1" | u32 header length | u64 xxh3_64(header || payload, seed) | header (msgpack) | payload

Integers are little-endian. `seed` is the first 8 bytes of the object's digest, so that a sound record under a wrong key is
found out by the cheap checksum too.

`header` is the msgpack map ``{"k": kind, "r": [digest, ...], "m": meta}``: `r` lists every object this one refers to, so
reachability (gc), closure (bundles) and connectivity (fsck) need no knowledge of what an object means. Keys of maps are
sorted, so that equal content has equal bytes. The digest of an object is BLAKE3-256 over ``header || payload``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NamedTuple, Self

Digest = bytes
"""32 bytes: BLAKE3-256 of an object's header and payload."""

Buffer = bytes | bytearray | memoryview

DIGEST_SIZE = 32


class Object(NamedTuple):
    """One immutable object. `payload` is valid only inside the transaction that read it (it may point into the map)."""

    digest: Digest
    kind: str
    refs: Sequence[Digest]
    meta: Mapping[str, Any]
    payload: memoryview


class Ref(NamedTuple):
    """Where a ref points. `meta` is small msgpack-able data kept beside the target (a session's uid, say)."""

    target: Digest
    meta: Mapping[str, Any]


class RefLogEntry(NamedTuple):
    """One move of a ref, oldest first: `old` or `new` is None where the ref did not exist before or after."""

    number: int
    old: Digest | None
    new: Digest | None
    time_ms: int
    reason: str


class ReadTxn(ABC):
    """A consistent view of the store; never blocks and is never blocked by a writer."""

    @abstractmethod
    def get(self, digest: Digest) -> Object:
        """Read one object, its checksum verified.

        Raises ObjectMissing when absent, ObjectCorrupt when the record's checksum, framing or header is wrong.
        """

    @abstractmethod
    def has(self, digest: Digest) -> bool:
        """Whether a record stands under this digest (nothing is verified)."""

    @abstractmethod
    def size(self, digest: Digest) -> int:
        """Bytes of the record as stored; 0 when absent."""

    @abstractmethod
    def digests(self, prefix: bytes = b"") -> Iterator[Digest]:
        """Digests of all objects that start with `prefix`, in ascending order."""

    @abstractmethod
    def find(self, lineage: Digest) -> Digest | None:
        """The object that was linked to a lineage id, or None."""

    @abstractmethod
    def lineages(self) -> Iterator[tuple[Digest, Digest]]:
        """All (lineage id, digest) pairs, ascending."""

    @abstractmethod
    def ref(self, name: str) -> Ref | None:
        """The ref of this name, or None. Raises StoreDamaged when it cannot be read."""

    @abstractmethod
    def refs(self, prefix: str = "") -> Iterator[tuple[str, Ref]]:
        """All refs whose name starts with `prefix`, in ascending order of name."""

    @abstractmethod
    def reflog(self, name: str) -> Iterator[RefLogEntry]:
        """The moves of one ref, oldest first; empty for an unknown one."""


class WriteTxn(ReadTxn):
    """All or nothing, durable when the context ends without an exception; reads see the transaction's own writes."""

    @abstractmethod
    def put(
        self,
        kind: str,
        payload: Buffer = b"",
        *,
        refs: Sequence[Digest] = (),
        meta: Mapping[str, Any] | None = None,
    ) -> Digest:
        """Add an object (no-op if present) and return its digest. The caller's buffer is copied, never kept."""

    @abstractmethod
    def put_record(self, record: Buffer) -> Digest:
        """Add a whole encoded record after verifying its checksum, replacing an existing one. Raises ObjectCorrupt."""

    @abstractmethod
    def link(self, lineage: Digest, digest: Digest) -> Digest:
        """Index an object under a lineage id. First writer wins while its object is present: returns the winner.

        Raises ObjectMissing when `digest` is not in the store.
        """

    @abstractmethod
    def set_ref(
        self, name: str, old: Digest | None, new: Digest, *, meta: Mapping[str, Any] | None = None, reason: str = ""
    ) -> None:
        """Move a ref by compare-and-swap and log the move; `old` None means "must not exist yet".

        `meta` None keeps the present meta. Raises RefChanged when the ref is not at `old`, ObjectMissing when `new` is
        not in the store. An unreadable ref counts as one that does not exist, so that a repair can write it anew.
        """

    @abstractmethod
    def delete_ref(self, name: str, old: Digest, *, keep_log: bool = False) -> None:
        """Remove a ref that stands at `old` (else RefChanged), and its log unless `keep_log`."""

    @abstractmethod
    def trim_reflog(self, name: str, before_ms: int) -> int:
        """Drop log entries older than a time, always keeping the newest; returns how many went."""

    @abstractmethod
    def delete(self, digest: Digest) -> int:
        """Remove an object and the lineage links to it. Returns the bytes of the record (0 if absent)."""


class Store(ABC):
    """A place for objects and refs. Safe to share between threads; several processes may open one persistent store."""

    @abstractmethod
    def read(self) -> AbstractContextManager[ReadTxn]:
        """Open a consistent view. Views do not see later writes."""

    @abstractmethod
    def write(self) -> AbstractContextManager[WriteTxn]:
        """Open the one write transaction of the store (others wait). An exception inside rolls everything back.

        Raises StoreFull when the disk is full, with nothing changed.
        """

    @abstractmethod
    def version(self) -> Hashable:
        """A mark of the present state: as long as it is the same, views see the same. Costs less than to look."""

    @abstractmethod
    def check(self) -> list[str]:
        """Verify every record (checksum and BLAKE3), every link and every ref; one sentence per defect."""

    @abstractmethod
    def bytes_on_disk(self) -> int:
        """Bytes the store occupies (0 for one in memory)."""

    @abstractmethod
    def close(self) -> None:
        """Release everything. Idempotent; any later call raises StoreError."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
