"""Journals: one append-only file of numbered records for each session, with a mirror of what is not settled yet.

`<uid>.journal` holds everything, `<uid>.mirror` the records since the last `settle`. Each record stands in both until the
database has it too, so that no single damaged spot loses anything that was acknowledged.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import xxhash

from ..errors import InvalidInput, StoreError
from . import faults, frames
from .copies import Damage, damage, mend, mirror_of, read_copies
from .files import Appender, Syncer, read_file, replace, sync_directory, translating

__all__ = ["Damage", "Journal", "JournalRecord", "Seal", "read_journal", "read_since"]

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class JournalRecord(NamedTuple):
    """One record; `offset` is its place in the journal, -1 when only the mirror has it."""

    seq: int
    body: dict[str, Any]
    offset: int


class Seal(NamedTuple):
    """The first `size` bytes of a journal and their xxh3_128, taken when the database held all that they tell."""

    size: int
    digest: bytes


def read_since(path: Path, seal: Seal) -> list[JournalRecord] | None:
    """The records behind a seal, without parsing those before it; None when anything needs a closer look.

    Sealed bytes that have changed, a gap, a torn end, or a mirror that tells otherwise do.
    """
    path, seed = Path(path), frames.seed_of(path.stem)
    with translating(path):
        data, mirror = read_file(path), frames.scan(read_file(mirror_of(path)), seed)
    if len(data) < seal.size or xxhash.xxh3_128_digest(data[: seal.size]) != seal.digest:
        return None
    rest = frames.scan(data[seal.size :], seed)
    unsettled = [frame.seq for frame in rest.frames if frame.seq > mirror.marked]
    if not rest.frames or rest.gaps or mirror.gaps or unsettled != [frame.seq for frame in mirror.frames]:
        return None
    return [JournalRecord(frame.seq, frame.body, seal.size + frame.offset) for frame in rest.frames]


def read_journal(path: Path) -> tuple[list[JournalRecord], list[Damage]]:
    """All readable records of a journal and its mirror, in order of number, and what is lost.

    A record torn by a crash while it was written is neither: it was never acknowledged. Missing files read as empty ones.
    """
    copies = read_copies(Path(path))
    offsets = {frame.seq: frame.offset for frame in copies.journal.frames}
    records = [JournalRecord(frame.seq, frame.body, offsets.get(frame.seq, -1)) for frame in copies.merged()]
    return records, list(damage(copies))


class Journal:
    """The single writer of a journal; the caller holds the session's lease. Safe to share between threads.

    Raises StoreFull with nothing changed when the disk is full, and StoreError when a record could not be made durable;
    after that the journal must be opened anew.
    """

    def __init__(self, path: Path, next_seq: int, group_commit_ms: int) -> None:
        self.path = path
        self.next_seq = next_seq
        self.bytes_written = 0
        self._seed = frames.seed_of(path.stem)
        self._journal = Appender(path)
        self._mirror = Appender(mirror_of(path))
        self._syncer = Syncer(self._fdatasync, group_commit_ms / 1000)
        self._lock = threading.RLock()
        self._closed = False
        self._content = xxhash.xxh3_128(read_file(path))

    @classmethod
    def create(cls, directory: Path, uid: str, body: Mapping[str, Any], *, group_commit_ms: int = 50) -> Journal:
        """Begin a journal with its first record, number 0, durable on return. Raises StoreError when there is one."""
        path = _path(directory, uid)
        if path.exists():
            raise StoreError(f"The journal {path} exists already.")
        frame = frames.build(0, body, frames.seed_of(uid))
        with translating(path):
            faults.point("journal.create.before")
            replace(path, frame)
            faults.point("journal.create.written")
            replace(mirror_of(path), frame)
            faults.point("journal.create.after")
        return cls(path, 1, group_commit_ms)

    @classmethod
    def open(cls, directory: Path, uid: str, *, group_commit_ms: int = 50, seal: Seal | None = None) -> Journal:
        """Go on with a journal: what one file lost is restored from the other, a torn tail is cut off.

        Behind a `seal` that holds, only what follows it is looked at.
        """
        path = _path(directory, uid)
        since = None if seal is None else read_since(path, seal)
        if since is not None:
            return cls(path, since[-1].seq + 1, group_commit_ms)
        with translating(path):
            if not path.exists() and not mirror_of(path).exists():
                raise StoreError(f"There is no journal {path}.")
            copies = read_copies(path)
            mend(path, copies)
        return cls(path, copies.highest() + 1, group_commit_ms)

    @staticmethod
    def rewrite(
        directory: Path, uid: str, records: Sequence[Mapping[str, Any]], *, first_seq: int = 0, unsettled: int = 0
    ) -> None:
        """Replace a journal's whole content, atomically and durably; records are numbered from `first_seq`.

        The last `unsettled` of them stand in the mirror too. Afterwards nothing of the old content is in either file. No
        Journal object may be open on it. Until the end the old mirror is read together with the new journal, so
        `first_seq` must be above every number that was given out.
        """
        path, seed = _path(directory, uid), frames.seed_of(uid)
        built = [frames.build(seq, body, seed) for seq, body in enumerate(records, first_seq)]
        settled = len(built) - unsettled
        with translating(path):
            faults.point("journal.rewrite.before")
            # The mirror goes last: until then it may hold the only copy of what is not settled.
            replace(path, frames.mark(first_seq - 1, seed) + b"".join(built))
            faults.point("journal.rewrite.written")
            replace(mirror_of(path), frames.mark(first_seq + settled - 1, seed) + b"".join(built[settled:]))
            faults.point("journal.rewrite.after")

    @staticmethod
    def list(directory: Path) -> list[str]:
        """The uids of all journals in a directory, sorted."""
        found = {path.stem for path in Path(directory).glob("*") if path.suffix in (".journal", ".mirror")}
        return sorted(uid for uid in found if _UID.fullmatch(uid))

    @staticmethod
    def settled(directory: Path, uid: str) -> int:
        """The number of the last record that the mirror says is settled, -1 when it does not say. Reads only its start."""
        return frames.marked(mirror_of(_path(directory, uid)), frames.seed_of(uid))

    @staticmethod
    def remove(directory: Path, uid: str) -> None:
        """Delete a journal, if there is one."""
        path = _path(directory, uid)
        with translating(path):
            mirror_of(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            sync_directory(path.parent)

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
            with translating(self.path):
                faults.point("journal.settle.before")
                self._syncer.now(only_if_due=True)
                marker = frames.mark(self.next_seq - 1, self._seed)
                self._mirror.cut(0)
                faults.point("journal.settle.emptied")
                with contextlib.suppress(OSError):
                    self._mirror.write(marker)
                    self.bytes_written += len(marker)
                faults.point("journal.settle.after")

    def seal(self) -> Seal:
        """A seal on everything written so far."""
        with self._lock:
            return Seal(self._journal.end, self._content.digest())

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
        with translating(self.path):
            faults.point("journal.append.before")
            try:
                self._journal.write(frame)
                faults.point("journal.append.half")
                self._mirror.write(frame)
                faults.point("journal.append.written")
            except OSError:
                self._journal.cut(ends[0])
                self._mirror.cut(ends[1])
                raise
        self._content.update(frame)

    def _fdatasync(self) -> None:
        with translating(self.path):
            faults.point("journal.sync.before")
            os.fdatasync(self._journal.fd)
            os.fdatasync(self._mirror.fd)
            faults.point("journal.sync.after")


def _path(directory: Path, uid: str) -> Path:
    if not _UID.fullmatch(uid):
        raise InvalidInput(f"{uid[:40]!r} cannot name a journal: use letters, digits, - and _, at most 64.")
    return Path(directory) / f"{uid}.journal"
