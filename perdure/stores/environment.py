"""LMDB environments: one per database and process (LMDB's file locks demand it), opened with care for damaged files."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb
import xxhash

from ..errors import StoreDamaged, StoreError, StoreFull, StoreUnreadable, StoreVersion
from . import faults, pages
from .files import sync_directory
from .tables import TABLES

FORMAT = 1
_META = b"meta"
_MIN_MAP = 1 << 28
_PROBE = 1 << 20
_MAX_READERS = 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
_DAMAGED = (
    lmdb.BadDbiError,
    lmdb.BadTxnError,
    lmdb.BadValsizeError,
    lmdb.CorruptedError,
    lmdb.CursorFullError,
    lmdb.IncompatibleError,
    lmdb.InvalidError,
    lmdb.PageFullError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.ProblemError,
    lmdb.VersionMismatchError,
)

_shared: dict[tuple[int, int], Environment] = {}
_shared_lock = threading.Lock()


class Guard:
    """Turns LMDB's and the system's errors into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, lmdb.Error) or (isinstance(error, OSError) and not isinstance(error, StoreError)):
            raise translate(error, self._path) from error


def translate(error: Exception, path: Path) -> StoreError:
    """The error to raise in place of one of LMDB's or of the system's."""
    code = getattr(error, "code", 0) or getattr(error, "errno", 0) or 0
    if isinstance(error, lmdb.MapFullError):
        return StoreFull(f"The store {path} has reached its largest size. Run `perdure gc --compact`; nothing was changed.")
    if code in _FULL:
        return full(path)
    if isinstance(error, _DAMAGED):
        return StoreDamaged(f"The database in {path} is broken ({error}). Run `perdure fsck --repair`.")
    if code in _DENIED or isinstance(error, lmdb.ReadonlyError):
        return StoreUnreadable(f"The store {path} cannot be used: {error}. Check its permissions.")
    return StoreError(f"The store {path} failed: {error}.")


def full(path: Path) -> StoreFull:
    """The error for a disk without room."""
    return StoreFull(f"No space is left for the store {path}. Free some and retry; nothing was changed.")


class Environment:
    """An open LMDB environment and its tables, shared by all stores of this process that stand on the same file."""

    def __init__(self, path: Path, map_size: int, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self.guard = Guard(path)
        self.users = 1
        self.write_lock = threading.Lock()
        self.writer: int | None = None
        with self.guard:
            self.key = _key(path)
            _check_size(path)
            pages.check_meta(path / "data.mdb")
            self.env = _open(path, map_size, read_only=read_only)
            try:
                self.page_size: int = self.env.stat()["psize"]
                self._check_length()
                self.tables = self._open_tables()
                if not read_only:
                    self.env.reader_check()
            except BaseException:
                self.env.close()
                raise

    @property
    def data(self) -> Path:
        return self.path / "data.mdb"

    def begin(self, *, write: bool) -> Any:
        """Start a transaction, following the map when another process has enlarged it."""
        with self.guard:
            try:
                return self.env.begin(write=write, buffers=True)
            except lmdb.MapResizedError:
                self.env.set_mapsize(0)
                return self.env.begin(write=write, buffers=True)

    def used_bytes(self) -> int:
        """Where the last committed page ends."""
        return int(self.env.info()["last_pgno"] + 1) * self.page_size

    def extend(self, size: int) -> None:
        """Lengthen the file (sparsely).

        LMDB never writes pages that a transaction took and gave back, so that a sound file could end before its last page
        and look truncated.
        """
        if self.data.stat().st_size < size:
            os.truncate(self.data, size)

    def trim(self) -> None:
        """Cut what `extend` gave in excess; with LMDB's write lock held no page can be in use there."""
        txn = self.begin(write=True)
        try:
            used = self.used_bytes()
            self.extend(used)
            if self.data.stat().st_size > used:
                os.truncate(self.data, used)
        finally:
            txn.abort()

    def filled_disk(self, error: StoreError, pages: int) -> bool:
        """Whether a failure was a full disk after all: LMDB calls a write that was cut short an input/output error."""
        if getattr(error.__cause__, "code", 0) != errno.EIO:
            return False
        try:
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.seek(self.used_bytes())
                for _ in range(-(-pages * self.page_size // _PROBE)):
                    probe.write(bytes(_PROBE))
                probe.flush()
        except OSError as failure:
            return failure.errno in _FULL
        return False

    def _check_length(self) -> None:
        used, size = self.used_bytes(), self.data.stat().st_size
        if size < used:
            raise StoreDamaged(
                f"The database in {self.path} is truncated: {size} of {used} bytes. Run `perdure fsck --repair`."
            )

    def _open_tables(self) -> dict[str, Any]:
        with self.env.begin() as txn:
            try:
                stored = txn.get(b"format", db=self.env.open_db(_META, txn=txn, create=False))
            except (lmdb.NotFoundError, lmdb.IncompatibleError):
                stored = None
        self._check_format(stored)
        # py-lmdb forgets a handle that was opened in a read transaction, so a writer's must do (it writes nothing).
        txn = None if self.read_only else self.env.begin(write=True)
        try:
            tables = {name: self.env.open_db(name.encode(), txn=txn, create=False) for name in TABLES}
        except lmdb.NotFoundError as error:
            raise StoreDamaged(f"The database in {self.path} lacks a table. Run `perdure fsck --repair`.") from error
        if txn is not None:
            txn.commit()
        return tables

    def _check_format(self, stored: bytes | None) -> None:
        if stored is None:
            raise StoreUnreadable(f"{self.data} is a database, but not Perdure's. Choose another --store.")
        number = int(stored.split()[0]) if stored.split()[:1] and stored.split()[0].isdigit() else -1
        if stored != format_value(number):
            raise StoreDamaged(f"The format number of the database in {self.path} is damaged. Run `perdure fsck --repair`.")
        if number > FORMAT:
            raise StoreVersion(
                f"The store {self.path} has format {number}; this Perdure reads up to {FORMAT}. Install a newer one."
            )


def acquire(path: Path, map_size: int, *, read_only: bool) -> Environment:
    """The environment of a directory, made when there is none and shared when this process has it open."""
    with _shared_lock:
        if not (path / "data.mdb").exists():
            if read_only or (path.exists() and not path.is_dir()):
                raise StoreUnreadable(f"There is no store at {path}. Choose another --store.")
            with Guard(path):
                _create(path)
        with Guard(path):
            known = _shared.get(_key(path))
        if known is None:
            known = Environment(path, map_size, read_only=read_only)
            _shared[known.key] = known
        elif known.read_only and not read_only:
            raise StoreError(f"This process has the store {path} open for reading only; close that first.")
        else:
            known.users += 1
        return known


def release(environment: Environment) -> None:
    """Give an environment back; the last user closes it."""
    with _shared_lock:
        environment.users -= 1
        if environment.users == 0:
            _shared.pop(environment.key, None)
            environment.env.close()


def format_value(number: int) -> bytes:
    """What stands under "format": the number and its checksum, so that a flipped bit is not taken for another version."""
    return f"{number} {xxhash.xxh3_64_hexdigest(str(number).encode())}".encode()


def _key(path: Path) -> tuple[int, int]:
    status = (path / "data.mdb").stat()
    return status.st_dev, status.st_ino


def _check_size(path: Path) -> None:
    size = (path / "data.mdb").stat().st_size
    if size < 8192:
        raise StoreDamaged(f"The database in {path} is truncated: it has {size} bytes. Run `perdure fsck --repair`.")


def _open(path: Path, map_size: int, *, read_only: bool) -> Any:
    """Reserve address space for the largest map that the system grants."""
    options: dict[str, Any] = {"max_dbs": len(TABLES) + 1, "max_readers": _MAX_READERS, "readonly": read_only, "mode": 0o600}
    size, lock = map_size, True
    while True:
        try:
            return lmdb.open(str(path), map_size=size, lock=lock, **options)
        except lmdb.Error as error:
            code = getattr(error, "code", 0)
            if (code == errno.ENOMEM or isinstance(error, lmdb.MemoryError)) and size > _MIN_MAP:
                size //= 2
            elif read_only and lock and (code in _DENIED or isinstance(error, lmdb.ReadonlyError)):
                lock = False
            else:
                raise


def _create(path: Path) -> None:
    """Make the database beside its place and link it there, so that it is either whole or absent."""
    faults.point("lmdb.create.before")
    path.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=path))
    try:
        _write_empty(temporary)
        faults.point("lmdb.create.written")
        try:
            os.link(temporary / "data.mdb", path / "data.mdb")
        except FileExistsError:
            return
        sync_directory(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    faults.point("lmdb.create.after")


def _write_empty(path: Path) -> None:
    env = lmdb.open(str(path), map_size=_MIN_MAP, max_dbs=len(TABLES) + 1, mode=0o600)
    try:
        with env.begin(write=True) as txn:
            for name in TABLES:
                env.open_db(name.encode(), txn=txn)
            txn.put(b"format", format_value(FORMAT), db=env.open_db(_META, txn=txn))
    finally:
        env.close()
