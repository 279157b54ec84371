"""Checking a store from end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..errors import ObjectCorrupt, StoreDamaged
from . import codec
from .base import Digest, ReadTxn
from .tables import LINKED, OBJECTS, TableRead


class Defect(NamedTuple):
    """`what` is "corrupt", "missing", "link" or "ref"; `digest` the object it is about (empty where there is none)."""

    what: str
    digest: Digest
    sentence: str


def defects(txn: TableRead, *, deep: bool, progress: Callable[[int, int], None] | None = None) -> Iterator[Defect]:
    """All that is wrong with a store. `progress` is told the objects and bytes read so far."""
    yield from _objects(txn, deep, progress)
    yield from _links(txn)
    yield from _refs(txn)


def sentences(txn: TableRead) -> list[str]:
    return [defect.sentence for defect in defects(txn, deep=True)]


def _objects(txn: TableRead, deep: bool, progress: Callable[[int, int], None] | None) -> Iterator[Defect]:
    size = 0
    for count, digest in enumerate(txn.digests(), 1):
        try:
            refs = _verify(txn, digest, deep)
        except ObjectCorrupt as error:
            refs = []
            yield Defect("corrupt", digest, str(error))
        for ref in refs:
            if not txn.has(ref):
                sentence = f"Object {digest.hex()[:16]} refers to {ref.hex()[:16]}, which is not in the store."
                yield Defect("missing", ref, sentence)
        size += txn.size(digest)
        if progress is not None:
            progress(count, size)


def _verify(txn: TableRead, digest: Digest, deep: bool) -> list[Digest]:
    record = txn.tables.get(OBJECTS, digest)
    return list(codec.decode(record if record is not None else b"", digest, deep=deep).refs)


def _links(txn: TableRead) -> Iterator[Defect]:
    for lineage, digest in txn.lineages():
        if not txn.has(digest):
            sentence = f"Lineage {lineage.hex()[:16]} leads to {digest.hex()[:16]}, which is not in the store."
            yield Defect("link", digest, sentence)
        elif txn.tables.length(LINKED, digest + lineage) is None:
            yield Defect("link", digest, f"Lineage {lineage.hex()[:16]} has no way back from {digest.hex()[:16]}.")


def _refs(txn: ReadTxn) -> Iterator[Defect]:
    try:
        for name, ref in txn.refs():
            if not txn.has(ref.target):
                sentence = f"Ref {name!r} points to {ref.target.hex()[:16]}, which is not in the store."
                yield Defect("ref", ref.target, sentence)
            for _ in txn.reflog(name):
                pass
    except StoreDamaged as error:
        yield Defect("ref", b"", str(error))
