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


def read_copies(path: Path) -> Copies:
    seed = frames.seed_of(path.stem)
    with translating(path):
        return Copies(*(frames.scan(read_file(file), seed) for file in (path, mirror_of(path))))


def damage(copies: Copies) -> Iterator[Damage]:
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


def mend(path: Path, copies: Copies) -> None:
    """Bring both files into order before more is appended: complete from the other copy, tails cut off."""
    seed, mirror = frames.seed_of(path.stem), mirror_of(path)
    merged, journal = copies.merged(), copies.journal
    if len(merged) > len(journal.frames) or not path.exists():
        replace(path, _encode(merged, seed))
    elif path.stat().st_size > journal.end:
        os.truncate(path, journal.end)
    settled = copies.mirror.settled
    since = settled + 1 if settled >= 0 or not copies.mirror.frames else copies.mirror.frames[0].seq
    marker = frames.build(settled, {}, seed, frames.MARKER) if settled >= 0 else b""
    wanted = marker + _encode((frame for frame in merged if frame.seq >= since), seed)
    if read_file(mirror) != wanted:
        replace(mirror, wanted)


def _encode(items: Iterable[Frame], seed: int) -> bytes:
    return b"".join(frames.build(frame.seq, frame.body, seed) for frame in items)


def mirror_of(path: Path) -> Path:
    return path.with_suffix(".mirror")
