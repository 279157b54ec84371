"""Journals: one append-only file of numbered records for each session, with a mirror of what is not settled yet.

`<uid>.journal` holds everything, `<uid>.mirror` the records since the last `settle`. Each record stands in both until the
database has it too, so that no single damaged spot loses anything that was acknowledged.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from ..errors import InvalidInput, StoreError, StoreFull, StoreUnreadable
from . import faults, frames
from .frames import Frame, Gap, Scan

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class JournalRecord(NamedTuple):
    """One record; `offset` is its place in the journal, -1 when only the mirror has it."""

    seq: int
    body: dict[str, Any]
    offset: int


class Damage(NamedTuple):
    """Records `first_seq` to `last_seq` cannot be read; they stood in `length` bytes at `offset` of the journal."""

    offset: int
    length: int
    first_seq: int
    last_seq: int


def read_journal(path: Path) -> tuple[list[JournalRecord], list[Damage]]:
    """All readable records of a journal and its mirror, in order of number, and what is lost.

    A record torn by a crash while it was written is neither: it was never acknowledged. Missing files read as empty ones.
    """
    copies = _read_copies(Path(path))
    offsets = {frame.seq: frame.offset for frame in copies.journal.frames}
    records = [JournalRecord(frame.seq, frame.body, offsets.get(frame.seq, -1)) for frame in copies.merged()]
    return records, list(_damage(copies))


class Journal:
    """The single writer of a journal; the caller holds the session's lease. Safe to share between threads.

    Raises StoreFull with nothing changed when the disk is full, and StoreError when a record could not be made durable;
    after that the journal must be opened anew.
    """

    def __init__(self, path: Path, next_seq: int, settled: int, group_commit_ms: int) -> None:
        self.path = path
        self.next_seq = next_seq
        self.bytes_written = 0
        self._settled = settled
        self._seed = frames.seed_of(path.stem)
        self._journal = _Appender(path)
        self._mirror = _Appender(_mirror_of(path))
        self._syncer = _Syncer(self._fdatasync, group_commit_ms / 1000)
        self._lock = threading.RLock()
        self._closed = False

    @classmethod
    def create(cls, directory: Path, uid: str, body: Mapping[str, Any], *, group_commit_ms: int = 50) -> Journal:
        """Begin a journal with its first record, number 0, durable on return. Raises StoreError when there is one."""
        path = _path(directory, uid)
        if path.exists():
            raise StoreError(f"The journal {path} exists already.")
        frame = frames.build(0, body, frames.seed_of(uid))
        with _translating(path):
            faults.point("journal.create.before")
            _replace(path, frame)
            faults.point("journal.create.written")
            _replace(_mirror_of(path), frame)
            faults.point("journal.create.after")
        return cls(path, 1, -1, group_commit_ms)

    @classmethod
    def open(cls, directory: Path, uid: str, *, group_commit_ms: int = 50) -> Journal:
        """Go on with a journal: what one file lost is restored from the other, a torn tail is cut off."""
        path = _path(directory, uid)
        with _translating(path):
            if not path.exists() and not _mirror_of(path).exists():
                raise StoreError(f"There is no journal {path}.")
            copies = _read_copies(path)
            _mend(path, copies)
        return cls(path, copies.highest() + 1, copies.mirror.settled, group_commit_ms)

    @staticmethod
    def rewrite(directory: Path, uid: str, records: Sequence[Mapping[str, Any]], *, first_seq: int = 0) -> None:
        """Replace a journal's whole content, atomically and durably; records are numbered from `first_seq`.

        Afterwards nothing of the old content is in either file. No Journal object may be open on it.
        """
        path, seed = _path(directory, uid), frames.seed_of(uid)
        data = b"".join(frames.build(seq, body, seed) for seq, body in enumerate(records, first_seq))
        with _translating(path):
            faults.point("journal.rewrite.before")
            # Emptied first: old records in the mirror must never be merged into the new journal.
            _replace(_mirror_of(path), b"")
            faults.point("journal.rewrite.written")
            _replace(path, data)
            faults.point("journal.rewrite.after")
            if records:
                _replace(_mirror_of(path), frames.build(first_seq + len(records) - 1, {}, seed, frames.MARKER))

    @staticmethod
    def list(directory: Path) -> list[str]:
        """The uids of all journals in a directory, sorted."""
        found = {path.stem for path in Path(directory).glob("*") if path.suffix in (".journal", ".mirror")}
        return sorted(uid for uid in found if _UID.fullmatch(uid))

    @staticmethod
    def remove(directory: Path, uid: str) -> None:
        """Delete a journal, if there is one."""
        path = _path(directory, uid)
        with _translating(path):
            _mirror_of(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            _sync_directory(path.parent)

    def append(self, body: Mapping[str, Any], *, durable: bool = True) -> int:
        """Write a record to both files and return its number: from then on it survives the death of this process.

        With `durable` it survives a power cut too, else at most `group_commit_ms` later.
        """
        with self._lock:
            self._require_open()
            frame = frames.build(self.next_seq, body, self._seed)
            self._write(frame)
            seq, self.next_seq = self.next_seq, self.next_seq + 1
            self.bytes_written += 2 * len(frame)
            if durable:
                self._syncer.now()
            else:
                self._syncer.later()
            faults.point("journal.append.after")
            return seq

    def settle(self) -> None:
        """Empty the mirror: all records so far are in the database too."""
        with self._lock:
            self._require_open()
            with _translating(self.path):
                faults.point("journal.settle.before")
                self._syncer.now(only_if_due=True)
                self._settled = self.next_seq - 1
                marker = frames.build(self._settled, {}, self._seed, frames.MARKER)
                self._mirror.cut(0)
                faults.point("journal.settle.emptied")
                with contextlib.suppress(OSError):
                    self._mirror.write(marker)
                    self.bytes_written += len(marker)
                faults.point("journal.settle.after")

    def sync(self) -> None:
        """Make everything written so far durable."""
        with self._lock:
            self._require_open()
            self._syncer.now()

    def close(self) -> None:
        """Make everything durable and let go of the files. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self._syncer.stop()
        finally:
            self._journal.close()
            self._mirror.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _require_open(self) -> None:
        if self._closed:
            raise StoreError(f"The journal {self.path} is closed.")
        self._syncer.raise_failure()

    def _write(self, frame: bytes) -> None:
        ends = self._journal.end, self._mirror.end
        with _translating(self.path):
            faults.point("journal.append.before")
            try:
                self._journal.write(frame)
                faults.point("journal.append.half")
                self._mirror.write(frame)
            except OSError:
                self._journal.cut(ends[0])
                self._mirror.cut(ends[1])
                raise
            faults.point("journal.append.written")

    def _fdatasync(self) -> None:
        with _translating(self.path):
            faults.point("journal.sync.before")
            os.fdatasync(self._journal.fd)
            os.fdatasync(self._mirror.fd)
            faults.point("journal.sync.after")


class _Appender:
    """A file that only grows, and can be cut back to a good end."""

    def __init__(self, path: Path) -> None:
        with _translating(path):
            self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.end = os.fstat(self.fd).st_size

    def write(self, data: bytes) -> None:
        if faults.active():
            self._write(data[: len(data) // 2])
            faults.point("journal.append.torn")
            self._write(data[len(data) // 2 :])
        else:
            self._write(data)
        self.end += len(data)

    def cut(self, end: int) -> None:
        os.ftruncate(self.fd, end)
        self.end = end

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.fd, rest) :]


class _Syncer:
    """Runs a sync at once or, in a thread that starts when first needed, a little later. Keeps the first failure."""

    def __init__(self, sync: Any, delay: float) -> None:
        self._sync = sync
        self._delay = delay
        self._wake = threading.Condition()
        self._due: float | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def now(self, *, only_if_due: bool = False) -> None:
        with self._wake:
            if only_if_due and self._due is None:
                return
            self._due = None
        self._run()
        self.raise_failure()

    def later(self) -> None:
        with self._wake:
            if self._due is not None:
                return
            self._due = time.monotonic() + self._delay
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="perdure-journal", daemon=True)
                self._thread.start()
            self._wake.notify()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
        if self._due is not None:
            self.now()
        self.raise_failure()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise StoreError(f"{self._failure} What was written last may not be durable; open the journal again.")

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not self._stopping and (self._due is None or self._due > time.monotonic()):
                    self._wake.wait(None if self._due is None else max(0.0, self._due - time.monotonic()))
                if self._stopping:
                    return
                self._due = None
            self._run()

    def _run(self) -> None:
        try:
            self._sync()
        except StoreError as error:
            self._failure = self._failure or error


class _Copies(NamedTuple):
    journal: Scan
    mirror: Scan

    def merged(self) -> list[Frame]:
        known = {frame.seq: frame for frame in (*self.mirror.frames, *self.journal.frames)}
        return [known[seq] for seq in sorted(known)]

    def highest(self) -> int:
        """The greatest number that was ever given out, as far as the files tell."""
        last = [scan.frames[-1].seq for scan in self if scan.frames]
        return max([*last, self.mirror.settled, self._lost_at_end()])

    def lowest(self) -> int:
        """The number with which the journal begins (0 when its beginning is lost)."""
        frames_ = self.journal.frames
        return frames_[0].seq if frames_ and frames_[0].offset == 0 else 0

    def _lost_at_end(self) -> int:
        """The number of a record that stands whole but unreadable at the journal's end, or -1."""
        gaps, end = self.journal.gaps, self.journal.end
        if not gaps or gaps[-1].torn or gaps[-1].offset < end:
            return -1
        return self.journal.frames[-1].seq + 1 if self.journal.frames else 0


def _read_copies(path: Path) -> _Copies:
    seed = frames.seed_of(path.stem)
    with _translating(path):
        return _Copies(*(frames.scan(_read_file(file), seed) for file in (path, _mirror_of(path))))


def _damage(copies: _Copies) -> Iterator[Damage]:
    numbers = [frame.seq for frame in copies.merged()]
    expected = copies.lowest()
    for seq in [*numbers, copies.highest() + 1]:
        if seq > expected:
            gap = _gap_of(copies.journal, expected)
            yield Damage(gap.offset, gap.length, expected, seq - 1)
        expected = max(expected, seq + 1)


def _gap_of(scan: Scan, seq: int) -> Gap:
    """The unreadable bytes where a record should have stood."""
    at = bisect_right(scan.frames, seq, key=lambda frame: frame.seq)
    start = scan.frames[at - 1].end if at else 0
    return next((gap for gap in scan.gaps if gap.offset == start), Gap(start, 0, torn=False))


def _mend(path: Path, copies: _Copies) -> None:
    """Bring both files into order before more is appended: complete from the other copy, tails cut off."""
    seed, mirror = frames.seed_of(path.stem), _mirror_of(path)
    merged, journal = copies.merged(), copies.journal
    if len(merged) > len(journal.frames) or not path.exists():
        _replace(path, _encode(merged, seed))
    elif path.stat().st_size > journal.end:
        os.truncate(path, journal.end)
    settled = copies.mirror.settled
    since = settled + 1 if settled >= 0 or not copies.mirror.frames else copies.mirror.frames[0].seq
    marker = frames.build(settled, {}, seed, frames.MARKER) if settled >= 0 else b""
    wanted = marker + _encode((frame for frame in merged if frame.seq >= since), seed)
    if _read_file(mirror) != wanted:
        _replace(mirror, wanted)


def _encode(items: Iterable[Frame], seed: int) -> bytes:
    return b"".join(frames.build(frame.seq, frame.body, seed) for frame in items)


def _path(directory: Path, uid: str) -> Path:
    if not _UID.fullmatch(uid):
        raise InvalidInput(f"{uid[:40]!r} cannot name a journal: use letters, digits, - and _, at most 64.")
    return Path(directory) / f"{uid}.journal"


def _mirror_of(path: Path) -> Path:
    return path.with_suffix(".mirror")


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _replace(path: Path, data: bytes) -> None:
    """Give a file new content, all or nothing, durably."""
    temporary = path.with_name(path.name + ".new")
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _translating(path: Path) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull(f"No space is left for the journal {path}. Free some and retry.") from error
        if error.errno in _DENIED:
            raise StoreUnreadable(f"The journal {path} cannot be used: {error.strerror}. Check permissions.") from error
        raise StoreError(f"The journal {path} failed: {error.strerror}.") from error
