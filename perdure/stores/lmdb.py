"""The persistent store: one LMDB environment, a durable transaction per `write`, zero-copy reads."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config import StoreOptions
from ..errors import SessionBusy, StoreDamaged, StoreError, StoreUnreadable
from . import audit, environment, faults, pages
from .base import Buffer, ReadTxn, Store, WriteTxn
from .environment import Environment
from .files import sync_directory
from .tables import OBJECTS, TableRead, Tables, TableWrite

_MAX_KEY = 511
_PATIENCE_S = 10.0
_ATTEMPTS = 20


class _LmdbTables(Tables):
    def __init__(self, env: Environment, txn: Any, *, write: bool) -> None:
        self._guard = env.guard
        self._page = env.page_size
        self._dbs = env.tables
        self._txn = txn
        self._write = write
        self._cursors: dict[str, Any] = {}
        self._spent = 0
        self.removed = False

    @property
    def pages(self) -> int:
        """An upper bound of the pages that this transaction can have taken."""
        return 64 + self._spent

    def get(self, table: str, key: bytes) -> Buffer | None:
        if not 0 < len(key) <= _MAX_KEY:
            return None
        with self._guard:
            value: memoryview | None = self._txn.get(key, db=self._dbs[table])
        # A page of the transaction's own may be freed by its next write.
        return bytes(value) if self._write and value is not None else value

    def length(self, table: str, key: bytes) -> int | None:
        if not 0 < len(key) <= _MAX_KEY:
            return None
        with self._guard:
            cursor = self._cursor(table)
            return len(cursor.value()) if cursor.set_key(key) else None

    def keys(self, table: str, prefix: bytes) -> Iterator[bytes]:
        with self._guard:
            cursor = self._txn.cursor(db=self._dbs[table])
            found = cursor.set_range(prefix) if prefix else cursor.first()
        while found:
            with self._guard:
                key = bytes(cursor.key())
            if not key.startswith(prefix):
                return
            yield key
            with self._guard:
                # The caller may have deleted the key or added others meanwhile.
                found = cursor.set_range(key + b"\0") if self._write else cursor.next()

    def last(self, table: str, prefix: bytes) -> bytes | None:
        with self._guard:
            cursor = self._cursor(table)
            found = cursor.prev() if cursor.set_range(prefix + b"\xff" * 16) else cursor.last()
            key = bytes(cursor.key()) if found else b""
        return key if found and key.startswith(prefix) else None

    def put(self, table: str, key: bytes, value: bytes) -> None:
        with self._guard:
            faults.point("lmdb.put.before")
            if table == OBJECTS and self.length(table, key) is not None:
                self.removed = True
            self._txn.put(key, value, db=self._dbs[table])
            self._spent += 16 + len(value) // self._page
            faults.point("lmdb.put.after")

    def delete(self, table: str, key: bytes) -> None:
        size = self.length(table, key)
        if size is None:
            return
        with self._guard:
            self._txn.delete(key, db=self._dbs[table])
        self._spent += 16 + size // self._page // 256
        self.removed = True

    def _cursor(self, table: str) -> Any:
        cursor = self._cursors.get(table)
        if cursor is None:
            cursor = self._cursors[table] = self._txn.cursor(db=self._dbs[table])
        return cursor


class LmdbStore(Store):
    """A store in a directory (`data.mdb`, `lock.mdb`), shared by threads and processes.

    Raises StoreUnreadable, StoreVersion or StoreDamaged when it cannot be opened. `read_only` needs an existing store.
    """

    def __init__(self, path: Path, options: StoreOptions | None = None, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.read_only = read_only
        self._map_size = (options or StoreOptions()).map_size
        self._change = threading.Condition(threading.RLock())
        self._inside = 0
        self._environment: Environment | None = environment.acquire(self.path, self._map_size, read_only=read_only)

    @contextmanager
    def read(self) -> Iterator[ReadTxn]:
        with self._entered() as env:
            txn = env.begin(write=False)
            try:
                yield TableRead(_LmdbTables(env, txn, write=False))
            finally:
                txn.abort()

    @contextmanager
    def write(self) -> Iterator[WriteTxn]:
        if self.read_only:
            raise StoreUnreadable(f"The store {self.path} was opened for reading only.")
        with self._entered() as env, self._writing(env):
            txn = env.begin(write=True)
            env.writer = threading.get_ident()
            tables = _LmdbTables(env, txn, write=True)
            try:
                faults.point("lmdb.begin.after")
                yield TableWrite(tables)
                self._commit(env, txn, tables)
            except StoreError as error:
                if env.filled_disk(error, tables.pages):
                    raise environment.full(self.path) from error
                raise
            finally:
                env.writer = None
                txn.abort()

    def version(self) -> Hashable:
        with self._entered() as env:
            txn = env.begin(write=False)
            try:
                return env.key, int(txn.id())
            finally:
                txn.abort()

    def check(self) -> list[str]:
        with self.read() as txn:
            return audit.sentences(txn) if isinstance(txn, TableRead) else []

    def check_pages(self) -> None:
        """Verify the structure of the database file itself. Raises StoreDamaged."""
        with self._entered() as env:
            for _ in range(_ATTEMPTS):
                txn = env.begin(write=False)
                try:
                    if pages.check(env.data, int(txn.id())):
                        return
                finally:
                    txn.abort()
        raise StoreDamaged(f"The database in {self.path} is broken: its meta pages tell of another state.")

    def bytes_on_disk(self) -> int:
        with self._entered() as env, env.guard:
            return (self.path / "data.mdb").stat().st_blocks * 512

    def copy_compact(self, dest: Path) -> int:
        """Write a copy without free pages to the file `dest`, durably; returns its size. The store stays as it is."""
        env = self._open()
        with env.guard:
            fd = os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                env.env.copyfd(fd, compact=True)
                os.fsync(fd)
                return os.fstat(fd).st_size
            except BaseException:
                dest.unlink(missing_ok=True)
                raise
            finally:
                os.close(fd)

    def compact(self) -> None:
        """Put a copy without free pages in the place of the database. The caller has the store to itself as a process;

        transactions of other threads are waited for. Raises SessionBusy when they do not end.
        """
        temporary = self.path / "compact.tmp"
        with self._alone():
            self.copy_compact(temporary)
            with self._exchanging():
                temporary.replace(self.path / "data.mdb")
                sync_directory(self.path)

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """While the context lasts the database is closed and its files may be replaced; afterwards it is opened anew."""
        with self._alone(), self._exchanging():
            yield

    def close(self) -> None:
        env, self._environment = self._environment, None
        if env is not None:
            environment.release(env)

    @contextmanager
    def _entered(self) -> Iterator[Environment]:
        """The environment, kept from being exchanged."""
        with self._change:
            env = self._open()
            self._inside += 1
        try:
            yield env
        finally:
            with self._change:
                self._inside -= 1
                self._change.notify_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread is in a transaction, and none begins one."""
        with self._change:
            if not self._change.wait_for(lambda: not self._inside, timeout=_PATIENCE_S):
                raise SessionBusy(f"The store {self.path} is being read by another thread. Try again later.")
            if self._open().users > 1:
                raise SessionBusy(f"The store {self.path} is open twice in this process. Close the other one and retry.")
            yield

    @contextmanager
    def _exchanging(self) -> Iterator[None]:
        self.close()
        try:
            yield
        finally:
            self._environment = environment.acquire(self.path, self._map_size, read_only=self.read_only)

    @contextmanager
    def _writing(self, env: Environment) -> Iterator[None]:
        if env.writer == threading.get_ident():
            raise StoreError("This thread is already writing to the store; finish that transaction first.")
        with env.write_lock:
            yield

    def _open(self) -> Environment:
        if self._environment is None:
            raise StoreError(f"The store {self.path} is closed.")
        return self._environment

    def _commit(self, env: Environment, txn: Any, tables: _LmdbTables) -> None:
        with env.guard:
            faults.point("lmdb.commit.before")
            if tables.removed:
                env.extend(env.used_bytes() + tables.pages * env.page_size)
            txn.commit()
            faults.point("lmdb.commit.after")
        if tables.removed:
            env.trim()
