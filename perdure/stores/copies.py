"""A journal and its mirror, read together: what either copy still has, and what is lost in both."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from . import frames
from .files import read_file, replace, translating
from .frames import Frame, Gap, Scan


class Damage(NamedTuple):
    """Records `first_seq` to `last_seq` cannot be read; they stood in `length` bytes at `offset` of the journal."""

    offset: int
    length: int
    first_seq: int
    last_seq: int


class Copies(NamedTuple):
    journal: Scan
    mirror: Scan

    def merged(self) -> list[Frame]:
        """Every record that either file has, ascending."""
        known = {frame.seq: frame for frame in (*self.mirror.frames, *self.journal.frames)}
        return [known[seq] for seq in sorted(known)]

    def lowest(self) -> int:
        """The number with which the journal begins."""
        return self.journal.marked + 1

    def highest(self) -> int:
        """The greatest number that was ever given out, as far as the files tell."""
        last = [scan.frames[-1].seq for scan in self if scan.frames]
        return max([*last, self.mirror.marked, self._lost_at_end()])

    def _lost_at_end(self) -> int:
        """The number of a record that stands whole but unreadable at the journal's end, or -1."""
        gaps, frames_ = self.journal.gaps, self.journal.frames
        if not gaps or gaps[-1].torn or gaps[-1].offset < self.journal.end:
            return -1
        return frames_[-1].seq + 1 if frames_ else self.lowest()


def read_copies(path: Path) -> Copies:
    """Read a journal and its mirror as they stand."""
    seed = frames.seed_of(path.stem)
    with translating(path):
        return Copies(*(frames.scan(read_file(file), seed) for file in (path, mirror_of(path))))


def damage(copies: Copies) -> Iterator[Damage]:
    """The records that neither file has."""
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
    start = scan.frames[at - 1].end if at else scan.start
    return next((gap for gap in scan.gaps if gap.offset == start), Gap(start, 0, torn=False))


def mend(path: Path, copies: Copies) -> None:
    """Bring both files into order before more is appended: complete from each other, torn tails cut off.

    What is lost in both stays visible by the numbers that are missing.
    """
    seed, merged = frames.seed_of(path.stem), copies.merged()
    _mend_journal(path, copies.journal, merged, seed)
    mirror = copies.mirror
    since = mirror.frames[0].seq if mirror.marked < 0 and mirror.frames else mirror.marked + 1
    given = copies.highest()
    marker = given if not merged or merged[-1].seq < given else mirror.marked
    wanted = frames.mark(marker, seed) + _encode((frame for frame in merged if frame.seq >= since), seed)
    if read_file(mirror_of(path)) != wanted:
        replace(mirror_of(path), wanted)


def _mend_journal(path: Path, journal: Scan, merged: list[Frame], seed: int) -> None:
    broken = any(gap.offset < journal.end for gap in journal.gaps)
    if broken or len(merged) > len(journal.frames) or not path.exists():
        replace(path, frames.mark(journal.marked, seed) + _encode(merged, seed))
    elif path.stat().st_size > journal.end:
        os.truncate(path, journal.end)


def _encode(items: Iterable[Frame], seed: int) -> bytes:
    return b"".join(frames.build(frame.seq, frame.body, seed) for frame in items)


def mirror_of(path: Path) -> Path:
    """The mirror that belongs to a journal."""
    return path.with_suffix(".mirror")
