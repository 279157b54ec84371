"""The simplest store that keeps the contract: dictionaries, copied when first written to. Gone with the process."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from ..errors import StoreError
from . import audit
from .base import ReadTxn, Store, WriteTxn
from .tables import TABLES, TableRead, Tables, TableWrite


class _Table:
    """A sorted map. Values are bytes, which nobody can change: a copied table shares them."""

    def __init__(self, values: dict[bytes, bytes] | None = None, order: list[bytes] | None = None) -> None:
        self.values = values if values is not None else {}
        self.order = order if order is not None else []

    def copy(self) -> _Table:
        return _Table(dict(self.values), list(self.order))

    def put(self, key: bytes, value: bytes) -> None:
        if key not in self.values:
            insort(self.order, key)
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        if self.values.pop(key, None) is not None:
            del self.order[bisect_left(self.order, key)]


class _MemoryTables(Tables):
    def __init__(self, tables: dict[str, _Table]) -> None:
        self.tables = dict(tables)
        self._own: set[str] = set()
        self._open = True

    def close(self) -> None:
        self._open = False

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._table(table).values.get(key)

    def length(self, table: str, key: bytes) -> int | None:
        value = self.get(table, key)
        return None if value is None else len(value)

    def keys(self, table: str, prefix: bytes) -> Iterator[bytes]:
        order = self._table(table).order
        at = bisect_left(order, prefix)
        while at < len(order) and order[at].startswith(prefix):
            key = order[at]
            yield key
            order = self._table(table).order
            at = bisect_right(order, key)

    def last(self, table: str, prefix: bytes) -> bytes | None:
        order = self._table(table).order
        at = bisect_right(order, prefix + b"\xff" * 16) - 1
        return order[at] if at >= 0 and order[at].startswith(prefix) else None

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self._writable(table).put(key, value)

    def delete(self, table: str, key: bytes) -> None:
        self._writable(table).delete(key)

    def _table(self, name: str) -> _Table:
        if not self._open:
            raise StoreError("This transaction has ended; open another one.")
        return self.tables[name]

    def _writable(self, name: str) -> _Table:
        table = self._table(name)
        if name not in self._own:
            table = self.tables[name] = table.copy()
            self._own.add(name)
        return table


class MemoryStore(Store):
    """Readers keep the dictionaries they began with; a writer works on copies that replace them at the end."""

    def __init__(self) -> None:
        self._tables = {name: _Table() for name in TABLES}
        self._lock = threading.Lock()
        self._writer: int | None = None
        self._closed = False
        self._writes = 0

    @contextmanager
    def read(self) -> Iterator[ReadTxn]:
        tables = self._begin()
        try:
            yield TableRead(tables)
        finally:
            tables.close()

    @contextmanager
    def write(self) -> Iterator[WriteTxn]:
        if self._writer == threading.get_ident():
            raise StoreError("This thread is already writing to the store; finish that transaction first.")
        with self._lock:
            tables = self._begin()
            self._writer = threading.get_ident()
            try:
                yield TableWrite(tables)
                self._tables = tables.tables
                self._writes += 1
            finally:
                self._writer = None
                tables.close()

    def version(self) -> Hashable:
        self._begin().close()
        return self._writes

    def check(self) -> list[str]:
        with self.read() as txn:
            return audit.sentences(txn) if isinstance(txn, TableRead) else []

    def bytes_on_disk(self) -> int:
        return 0

    def close(self) -> None:
        self._closed = True

    def _begin(self) -> _MemoryTables:
        if self._closed:
            raise StoreError("This store is closed.")
        return _MemoryTables(self._tables)
