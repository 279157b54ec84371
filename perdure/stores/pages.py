"""The pages of an LMDB file, read without LMDB.

LMDB pages carry no checksum: one wrong bit makes a key vanish, hands a page in use to the next writer, or lets LMDB fall
back to an older state, all in silence. So structure is checked here byte by byte: both meta pages, every branch, leaf and
overflow page that a snapshot reaches, the order and bounds of keys, all counts, and the list of free pages.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ..errors import StoreDamaged

_PAGE = struct.Struct("<QHHHH")
_NODE = struct.Struct("<HHHH")
_DB = struct.Struct("<IHHQQQQQ")
_META = struct.Struct("<IIQQ")
_TAIL = struct.Struct("<QQ")
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _OVERFLOW, _IS_META = 1, 2, 4, 8
_BIG, _SUB = 1, 2
_INTEGER_KEY = 8
_NONE = (1 << 64) - 1
_HEAD = _PAGE.size
_META_SIZE = _META.size + 2 * _DB.size + _TAIL.size
_ATTEMPTS = 20


class Tree(NamedTuple):
    """LMDB's record of one table."""

    pad: int
    flags: int
    depth: int
    branches: int
    leaves: int
    overflows: int
    entries: int
    root: int


class Meta(NamedTuple):
    """A meta page: the roots of a snapshot."""

    free: Tree
    main: Tree
    last: int
    txn: int

    @property
    def page_size(self) -> int:
        return self.free.pad


def check_meta(file: Path) -> None:
    """Raises StoreDamaged unless both meta pages are whole and of two transactions in succession.

    A writer at work may be caught between two states, so a bad impression is looked at again.
    """
    for attempt in range(_ATTEMPTS):
        try:
            _metas(file)
        except StoreDamaged:
            if attempt + 1 == _ATTEMPTS:
                raise
            time.sleep(0.001)
        else:
            return


def check(file: Path, txn: int) -> bool:
    """Examine everything that the snapshot of a transaction reaches; the caller holds that transaction open.

    False when writers have gone on so far that no meta page tells of it any more. Raises StoreDamaged.
    """
    found = [meta for meta in _metas_loosely(file) if meta.txn == txn]
    if len(found) != 1:
        return False
    with file.open("rb") as handle:
        _Checker(file, handle.fileno(), found[0]).run()
    return True


def _metas_loosely(file: Path) -> list[Meta]:
    size = _page_size(file)
    with file.open("rb") as handle:
        data = os.pread(handle.fileno(), size + _HEAD + _META_SIZE, 0)
    return [_meta(file, data[number * size :], number) for number in (0, 1)]


def _metas(file: Path) -> None:
    first, second = _metas_loosely(file)
    newer, number = (first, 0) if first.txn > second.txn else (second, 1)
    if abs(first.txn - second.txn) != 1 or newer.txn % 2 != number:
        raise _damaged(file, f"its meta pages are of transactions {first.txn} and {second.txn}")
    if first.page_size != second.page_size:
        raise _damaged(file, "its meta pages disagree about the size of a page")
    length = file.stat().st_size
    if length < (newer.last + 1) * newer.page_size:
        raise _damaged(file, f"it is truncated to {length} of {(newer.last + 1) * newer.page_size} bytes")


def _page_size(file: Path) -> int:
    with file.open("rb") as handle:
        data = os.pread(handle.fileno(), _HEAD + _META_SIZE, 0)
    size = _meta(file, data, 0).page_size
    if size not in (4096, 8192, 16384, 32768, 65536):
        raise _damaged(file, f"it claims pages of {size} bytes")
    return size


def _meta(file: Path, data: bytes, number: int) -> Meta:
    if len(data) < _HEAD + _META_SIZE:
        raise _damaged(file, f"meta page {number} is cut off")
    page, _, flags, _, _ = _PAGE.unpack_from(data)
    magic, version, _, _ = _META.unpack_from(data, _HEAD)
    if page != number or flags != _IS_META or magic != _MAGIC or version != _VERSION:
        raise _damaged(file, f"meta page {number} does not begin as one does")
    at = _HEAD + _META.size
    free, main = (Tree(*_DB.unpack_from(data, at + i * _DB.size)) for i in (0, 1))
    last, txn = _TAIL.unpack_from(data, at + 2 * _DB.size)
    if free.flags != _INTEGER_KEY or main.flags:
        raise _damaged(file, f"meta page {number} has unknown flags")
    return Meta(free, main, last, txn)


class _Checker:
    """One walk over a snapshot."""

    def __init__(self, file: Path, fd: int, meta: Meta) -> None:
        self._file = file
        self._fd = fd
        self._meta = meta
        self._size = meta.page_size
        self._used: set[int] = {0, 1}
        self._counts = [0, 0, 0, 0]

    def run(self) -> None:
        meta = self._meta
        if os.fstat(self._fd).st_size < (meta.last + 1) * self._size:
            self._fail(f"it ends before page {meta.last}")
        tables = [Tree(*_DB.unpack(data)) for _, data in self._tree(meta.main, "the list of tables", sub=True)]
        for table in tables:
            for _ in self._tree(table, "a table"):
                pass
        self._free()

    def _tree(self, tree: Tree, what: str, *, sub: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value or nothing) of a tree, in order; counts are held against the tree's record at the end."""
        self._counts = counts = [0, 0, 0, 0]
        if tree.flags & ~_INTEGER_KEY or (tree.root == _NONE) != (tree.depth == 0):
            self._fail(f"the record of {what} is wrong")
        last = b""
        if tree.root != _NONE:
            for key, value in self._page(tree.root, tree.depth, tree, b"", None, sub):
                if counts[3] > 1 and not _ordered(last, key, tree):
                    self._fail(f"the keys of {what} are out of order")
                last = key
                yield key, value
        if counts != [tree.branches, tree.leaves, tree.overflows, tree.entries]:
            self._fail(f"the counts of {what} are wrong")

    def _page(
        self, number: int, depth: int, tree: Tree, low: bytes, high: bytes | None, sub: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        data = self._read(number, _LEAF if depth == 1 else _BRANCH)
        nodes = list(self._nodes(data, number))
        if depth == 1:
            self._counts[1] += 1
            for at, key in nodes:
                below = bool(low) and not _ordered(low, key, tree, equal=True)
                if below or (high is not None and not _ordered(key, high, tree)):
                    self._fail(f"page {number} holds a key out of its bounds")
                self._counts[3] += 1
                yield key, self._value(data, at, key, sub or tree is self._meta.free)
            return
        self._counts[0] += 1
        if len(nodes) < 2:
            self._fail(f"branch page {number} has {len(nodes)} children")
        for index, (at, key) in enumerate(nodes):
            lo, hi, top, _ = _NODE.unpack_from(data, at)
            until = nodes[index + 1][1] if index + 1 < len(nodes) else high
            yield from self._page(lo | hi << 16 | top << 32, depth - 1, tree, key if index else low, until, sub)

    def _nodes(self, data: bytes, number: int) -> Iterator[tuple[int, bytes]]:
        _, _, _, lower, upper = _PAGE.unpack_from(data)
        if not _HEAD <= lower <= upper <= self._size or lower % 2:
            self._fail(f"page {number} has wrong bounds")
        taken = []
        for (at,) in struct.iter_unpack("<H", data[_HEAD:lower]):
            if not upper <= at <= self._size - _NODE.size:
                self._fail(f"page {number} has an entry out of bounds")
            size = _NODE.unpack_from(data, at)[3]
            if at + _NODE.size + size > self._size:
                self._fail(f"page {number} has a key out of bounds")
            taken.append((at, at + _NODE.size + size))
            yield at, data[at + _NODE.size : at + _NODE.size + size]
        taken.sort()
        if any(end > start for (_, end), (start, _) in pairwise(taken)):
            self._fail(f"page {number} has entries that overlap")

    def _value(self, data: bytes, at: int, key: bytes, wanted: bool) -> bytes:
        """A leaf's value where it is wanted; large ones are held against their overflow pages anyway."""
        lo, hi, flags, _ = _NODE.unpack_from(data, at)
        size, start = lo | hi << 16, at + _NODE.size + len(key)
        if flags & ~(_BIG | _SUB) or flags == _BIG | _SUB:
            self._fail("an entry has unknown flags")
        if flags & _BIG:
            if start + 8 > self._size:
                self._fail("an entry has its value out of bounds")
            return self._overflow(int.from_bytes(data[start : start + 8], "little"), size, wanted)
        if start + size > self._size or (flags & _SUB and size != _DB.size):
            self._fail("an entry has its value out of bounds")
        return data[start : start + size] if wanted else b""

    def _overflow(self, number: int, size: int, wanted: bool) -> bytes:
        count = (_HEAD - 1 + size) // self._size + 1
        head = self._read(number, _OVERFLOW, size=_HEAD)
        if int.from_bytes(head[12:16], "little") != count:
            self._fail(f"the value at page {number} has a wrong size")
        for page in range(number + 1, number + count):
            self._take(page)
        self._counts[2] += count
        return os.pread(self._fd, size, number * self._size + _HEAD) if wanted else b""

    def _read(self, number: int, kind: int, *, size: int = 0) -> bytes:
        self._take(number)
        data = os.pread(self._fd, size or self._size, number * self._size)
        page, _, flags, _, _ = _PAGE.unpack_from(data)
        if page != number or flags != kind:
            self._fail(f"page {number} is not what it should be")
        return data

    def _take(self, number: int) -> None:
        if number > self._meta.last or number in self._used:
            self._fail(f"page {number} is out of range or used twice")
        self._used.add(number)

    def _free(self) -> None:
        lists = [value for _, value in self._tree(self._meta.free, "the free list", sub=False)]
        for value in lists:
            count = int.from_bytes(value[:8], "little")
            if len(value) % 8 or 8 * (count + 1) > len(value):
                self._fail("the free list has a wrong length")
            for (number,) in struct.iter_unpack("<Q", value[8 : 8 * (count + 1)]):
                self._take(number)

    def _fail(self, why: str) -> None:
        raise _damaged(self._file, why)


def _ordered(a: bytes, b: bytes, tree: Tree, *, equal: bool = False) -> bool:
    if tree.flags & _INTEGER_KEY:
        a, b = a[::-1], b[::-1]
    return a < b or (equal and a == b)


def _damaged(file: Path, why: str) -> StoreDamaged:
    return StoreDamaged(f"The database in {file.parent} is broken: {why}. Run `perdure fsck --repair`.")
