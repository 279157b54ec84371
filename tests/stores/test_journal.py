from __future__ import annotations

import errno
import functools
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.errors import InvalidInput, StoreError, StoreFull
from perdure.stores import faults, frames
from perdure.stores.journal import Damage, Journal, JournalRecord, Seal, read_journal, read_since

ROOT = Path(__file__).parents[2]
UID = "0123abcd"
BODIES: list[dict[str, Any]] = [{"t": "open"}, *({"t": "tok", "id": n, "text": "x" * (n % 7)} for n in range(1, 30))]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.disarm()


def write(directory: Path, bodies: list[dict[str, Any]] = BODIES, settle_at: int | None = None) -> Path:
    """A journal of these bodies, settled after the record numbered `settle_at`."""
    with Journal.create(directory, UID, bodies[0]) as journal:
        for number, body in enumerate(bodies[1:], 1):
            if settle_at is not None and number == settle_at + 1:
                journal.settle()
            assert journal.append(body, durable=False) == number
        if settle_at == len(bodies) - 1:
            journal.settle()
    return directory / f"{UID}.journal"


def bodies_of(records: list[JournalRecord]) -> dict[int, dict[str, Any]]:
    return {record.seq: record.body for record in records}


EVERYTHING = dict(enumerate(BODIES))


# writing and reading


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    records, damage = read_journal(path)
    assert [record.seq for record in records] == list(range(len(BODIES)))
    assert [record.body for record in records] == BODIES
    assert damage == []
    data = path.read_bytes()
    assert all(data[record.offset : record.offset + 4] == b"PJR1" for record in records)
    assert path.with_suffix(".mirror").read_bytes() == data


def test_writing_goes_on_after_reopening(tmp_path: Path) -> None:
    path = write(tmp_path)
    for n in range(3):
        with Journal.open(tmp_path, UID) as journal:
            assert journal.next_seq == len(BODIES) + n
            assert journal.append({"n": n}) == len(BODIES) + n
            assert journal.bytes_written > 0
            if n == 1:
                journal.settle()
    records, damage = read_journal(path)
    assert [record.body for record in records] == [*BODIES, *({"n": n} for n in range(3))]
    assert damage == []


def test_the_mirror_holds_what_is_not_settled(tmp_path: Path) -> None:
    path = write(tmp_path, settle_at=20)
    scan = frames.scan(path.with_suffix(".mirror").read_bytes(), frames.seed_of(UID))
    assert scan.marked == 20
    assert [frame.seq for frame in scan.frames] == list(range(21, len(BODIES)))
    assert scan.gaps == []


def test_a_journal_is_made_once(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(StoreError):
        Journal.create(tmp_path, UID, {})


def test_absent_journals(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "absent.journal") == ([], [])
    with pytest.raises(StoreError):
        Journal.open(tmp_path, "absent")
    Journal.remove(tmp_path, "absent")


def test_listing_and_removing(tmp_path: Path) -> None:
    for uid in ("b", "a"):
        Journal.create(tmp_path, uid, {}).close()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a.journal.new").write_text("x")
    assert Journal.list(tmp_path) == ["a", "b"]
    Journal.remove(tmp_path, "a")
    assert Journal.list(tmp_path) == ["b"]
    assert not (tmp_path / "a.mirror").exists()


@pytest.mark.parametrize("uid", ["", "../x", "a/b", ".", "a.b", "x" * 65, "a\n"])
def test_names_that_cannot_be(tmp_path: Path, uid: str) -> None:
    with pytest.raises(InvalidInput):
        Journal.create(tmp_path, uid, {})


def test_bodies_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_BODY", 1000)
    with Journal.create(tmp_path, UID, {}) as journal:
        bodies: list[Any] = [{"x": object()}, {1: 2}, {"x": "y" * 1001}]
        for body in bodies:
            with pytest.raises(InvalidInput):
                journal.append(body)
        assert journal.append({"x": 1}) == 1
    assert len(read_journal(tmp_path / f"{UID}.journal")[0]) == 2


def test_a_closed_journal(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, UID, {})
    journal.close()
    journal.close()
    for act in (lambda: journal.append({}), journal.settle, journal.sync):
        with pytest.raises(StoreError):
            act()


def test_threads_may_share_a_journal(tmp_path: Path) -> None:
    with Journal.create(tmp_path, UID, {}, group_commit_ms=1) as journal:
        threads = [
            threading.Thread(target=lambda: [journal.append({"n": n}, durable=n % 10 == 0) for n in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    records, damage = read_journal(tmp_path / f"{UID}.journal")
    assert [record.seq for record in records] == list(range(201))
    assert damage == []


# durability


def test_a_late_sync_comes(tmp_path: Path) -> None:
    synced = threading.Event()
    with Journal.create(tmp_path, UID, {}, group_commit_ms=5) as journal:
        faults.arm(lambda name: synced.set() if name == "journal.sync.after" else None)
        for n in range(10):
            journal.append({"n": n}, durable=False)
        assert synced.wait(10)


def test_late_syncs_are_grouped(tmp_path: Path) -> None:
    passed: list[str] = []
    with Journal.create(tmp_path, UID, {}, group_commit_ms=60_000) as journal:
        faults.arm(passed.append)
        for n in range(10):
            journal.append({"n": n}, durable=False)
        assert "journal.sync.after" not in passed
        journal.append({"n": 10})
        assert passed.count("journal.sync.after") == 1
        journal.append({"n": 11}, durable=False)
        journal.settle()
        assert passed.count("journal.sync.after") == 2
    assert passed.count("journal.sync.after") == 2


def test_closing_makes_durable(tmp_path: Path) -> None:
    passed: list[str] = []
    journal = Journal.create(tmp_path, UID, {}, group_commit_ms=60_000)
    faults.arm(passed.append)
    journal.append({}, durable=False)
    journal.close()
    assert "journal.sync.after" in passed


def _append_for_ever(journal: Journal) -> None:
    while True:
        journal.append({}, durable=False)


def test_a_failed_late_sync_is_told_at_the_next_append(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, UID, {}, group_commit_ms=1)
    struck = threading.Event()

    def strike(name: str) -> None:
        if name == "journal.sync.before":
            struck.set()
            raise OSError(errno.EIO, "Input/output error")

    faults.arm(strike)
    journal.append({}, durable=False)
    assert struck.wait(10)
    with pytest.raises(StoreError, match="durable"):
        _append_for_ever(journal)
    with pytest.raises(StoreError):
        journal.sync()
    with pytest.raises(StoreError):
        journal.close()
    faults.disarm()
    with Journal.open(tmp_path, UID) as again:
        again.append({})


@pytest.mark.parametrize("point", ["before", "torn", "half", "written"])
def test_a_full_disk_changes_nothing(tmp_path: Path, point: str) -> None:
    path = write(tmp_path)
    with Journal.open(tmp_path, UID) as journal:
        faults.arm(f"journal.append.{point}", error=OSError(errno.ENOSPC, "No space left on device"))
        for after in range(2):
            with pytest.raises(StoreFull):
                journal.append({"lost": True})
            faults.disarm()
            faults.arm(f"journal.append.{point}", error=OSError(errno.EDQUOT, "Quota"), after=after)
        faults.disarm()
        assert bodies_of(read_journal(path)[0]) == EVERYTHING
        assert journal.append({"kept": True}) == len(BODIES)
    records, damage = read_journal(path)
    assert records[-1].body == {"kept": True}
    assert damage == []
    assert path.read_bytes() == path.with_suffix(".mirror").read_bytes()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    path = write(tmp_path)
    assert bodies_of(read_journal(path)[0]) == EVERYTHING


CHILD = """
import sys
from pathlib import Path
from perdure.stores import faults
from perdure.stores.journal import Journal
directory, uid, point = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if "create" in point:
    faults.arm(point)
journal = Journal.create(directory, uid, {"n": 0})
print(0, flush=True)
faults.arm(point, after=int(sys.argv[4]))
for n in range(1, 20):
    print(journal.append({"n": n}, durable=n % 3 == 0), flush=True)
    if n % 5 == 0:
        journal.settle()
if "rewrite" in point:
    journal.close()
    Journal.rewrite(directory, uid, [{"n": n} for n in range(20)])
"""


@pytest.mark.crash
@pytest.mark.parametrize(
    ("point", "after"),
    [
        (name, after)
        for name in faults.names()
        if name.startswith("journal.")
        for after in ([0] if "create" in name or "rewrite" in name else [0, 1, 2])
    ],
)
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, point: str, after: int) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path), UID, point, str(after)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    told = len(done.stdout.split())
    records, damage = read_journal(tmp_path / f"{UID}.journal")
    assert damage == []
    assert [record.body["n"] for record in records] == list(range(len(records)))
    assert told <= len(records) <= told + 1
    if records:
        with Journal.open(tmp_path, UID) as journal:
            assert journal.append({"n": len(records)}) == len(records)
        records, damage = read_journal(tmp_path / f"{UID}.journal")
        assert [record.body["n"] for record in records] == list(range(len(records)))
        assert damage == []


# damage

DAMAGE = st.lists(
    st.tuples(st.sampled_from(["flip", "zero", "cut", "drop", "noise", "double"]), st.floats(0, 0.999), st.integers(1, 60)),
    min_size=1,
    max_size=4,
)


def harm(data: bytes, wounds: list[tuple[str, float, int]]) -> bytes:
    for how, where, size in wounds:
        at = int(len(data) * where)
        part = data[at : at + size]
        if how == "flip" and data:
            data = data[:at] + bytes([data[at] ^ 1 << size % 8]) + data[at + 1 :]
        elif how == "zero":
            data = data[:at] + bytes(len(part)) + data[at + size :]
        elif how == "cut":
            data = data[:at]
        elif how == "drop":
            data = data[:at] + data[at + size :]
        elif how == "noise":
            data = data[:at] + os.urandom(size) + data[at + size :]
        elif how == "double":
            data = data[:at] + data[max(0, at - 200) : at] + data[at:]
    return data


@functools.cache
def _written(settle_at: int | None) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory), settle_at=settle_at)
        return path.read_bytes(), path.with_suffix(".mirror").read_bytes()


def lay_out(directory: str, settle_at: int | None = None) -> Path:
    """The same files as `write` makes, sooner."""
    path = Path(directory) / f"{UID}.journal"
    for file, data in zip((path, path.with_suffix(".mirror")), _written(settle_at), strict=True):
        file.write_bytes(data)
    return path


def explained(damage: list[Damage]) -> set[int]:
    return {seq for d in damage for seq in range(d.first_seq, d.last_seq + 1)}


@settings(max_examples=150, deadline=None)
@given(wounds=DAMAGE, which=st.sampled_from([".journal", ".mirror"]))
def test_one_damaged_copy_loses_nothing(wounds: list[tuple[str, float, int]], which: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = lay_out(directory)
        victim = path.with_suffix(which)
        victim.write_bytes(harm(victim.read_bytes(), wounds))
        records, damage = read_journal(path)
        assert bodies_of(records) == EVERYTHING
        assert damage == []
        _expect_whole_again(path)


def _expect_whole_again(path: Path) -> None:
    with Journal.open(path.parent, UID) as journal:
        assert journal.append({"new": True}) == len(BODIES)
    scan = frames.scan(path.read_bytes(), frames.seed_of(UID))
    assert [frame.seq for frame in scan.frames] == list(range(len(BODIES) + 1))
    assert scan.gaps == []


@settings(max_examples=200, deadline=None)
@given(wounds=DAMAGE, more=DAMAGE, settle_at=st.none() | st.integers(0, len(BODIES) - 1))
def test_damage_never_makes_a_wrong_record(
    wounds: list[tuple[str, float, int]], more: list[tuple[str, float, int]], settle_at: int | None
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = lay_out(directory, settle_at)
        mirror = path.with_suffix(".mirror")
        path.write_bytes(harm(path.read_bytes(), wounds))
        mirror.write_bytes(harm(mirror.read_bytes(), more))
        records, damage = read_journal(path)
        found = bodies_of(records)
        assert found.items() <= EVERYTHING.items()
        assert not explained(damage) & found.keys()
        highest = max([*found, *explained(damage)], default=-1)
        assert set(range(highest + 1)) == found.keys() | explained(damage)
        _expect_nothing_more_lost(path, found, highest)


def _expect_nothing_more_lost(path: Path, found: dict[int, dict[str, Any]], highest: int) -> None:
    with Journal.open(path.parent, UID) as journal:
        number = journal.append({"new": True})
    assert number > highest
    again, damage = read_journal(path)
    assert bodies_of(again) == {**found, number: {"new": True}}
    assert explained(damage) == set(range(number)) - found.keys()


@settings(max_examples=100, deadline=None)
@given(wounds=DAMAGE, settle_at=st.integers(0, len(BODIES) - 1))
def test_what_was_settled_is_missed(wounds: list[tuple[str, float, int]], settle_at: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = lay_out(directory, settle_at)
        path.write_bytes(harm(path.read_bytes(), wounds))
        records, damage = read_journal(path)
        assert bodies_of(records).keys() | explained(damage) == EVERYTHING.keys()
        assert set(range(settle_at + 1, len(BODIES))) <= bodies_of(records).keys()


def test_every_single_bit_of_both_files(tmp_path: Path) -> None:
    path = write(tmp_path, BODIES[:4], settle_at=1)
    expected = dict(enumerate(BODIES[:4]))
    for file in (path, path.with_suffix(".mirror")):
        whole = file.read_bytes()
        for bit in range(len(whole) * 8):
            data = bytearray(whole)
            data[bit // 8] ^= 1 << bit % 8
            file.write_bytes(data)
            records, damage = read_journal(path)
            assert bodies_of(records).items() <= expected.items()
            assert bodies_of(records).keys() | explained(damage) == expected.keys()
            assert explained(damage) <= {0, 1}
        file.write_bytes(whole)


@pytest.mark.parametrize("kept", range(1, 60))
def test_a_torn_tail_is_no_damage(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    frame = frames.build(len(BODIES), {"torn": "x" * 40}, frames.seed_of(UID))
    path.write_bytes(whole + frame[:kept])
    records, damage = read_journal(path)
    assert bodies_of(records) == EVERYTHING
    assert damage == []
    _expect_whole_again(path)


def test_never_written_blocks_are_no_damage(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert read_journal(path)[1] == []
    _expect_whole_again(path)


def test_where_the_damage_is(tmp_path: Path) -> None:
    path = write(tmp_path, settle_at=len(BODIES) - 1)
    records, _ = read_journal(path)
    data = bytearray(path.read_bytes())
    start, end = records[10].offset, records[12].offset
    data[start : end - 5] = bytes(end - 5 - start)
    path.write_bytes(data)
    assert read_journal(path)[1] == [Damage(start, end - start, 10, 11)]


def test_a_lost_file_is_mended_from_the_other(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.unlink()
    assert bodies_of(read_journal(path)[0]) == EVERYTHING
    assert all(record.offset == -1 for record in read_journal(path)[0])
    _expect_whole_again(path)
    path.with_suffix(".mirror").unlink()
    assert len(read_journal(path)[0]) == len(BODIES) + 1
    Journal.open(tmp_path, UID).close()


def test_a_lost_journal_of_settled_records_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path, settle_at=20)
    path.unlink()
    records, damage = read_journal(path)
    assert [record.seq for record in records] == list(range(21, len(BODIES)))
    assert damage == [Damage(0, 0, 0, 20)]


def test_frames_of_another_journal_are_not_taken_for_ours(tmp_path: Path) -> None:
    other = frames.build(2, {"t": "forged"}, frames.seed_of("other"))
    path = write(tmp_path, [{"t": "open"}, {"t": "msg", "data": other}, {"t": "end"}], settle_at=2)
    data = bytearray(path.read_bytes())
    data[read_journal(path)[0][1].offset] ^= 1
    path.write_bytes(data)
    records, damage = read_journal(path)
    assert [record.body["t"] for record in records] == ["open", "end"]
    assert explained(damage) == {1}


# rewriting


def test_rewriting_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    path = write(tmp_path, [{"secret": "swordfish"}] * 5, settle_at=2)
    Journal.rewrite(tmp_path, UID, [{"n": 1}, {"n": 2}], first_seq=40)
    records, damage = read_journal(path)
    assert [(record.seq, record.body) for record in records] == [(40, {"n": 1}), (41, {"n": 2})]
    assert damage == []
    for file in tmp_path.iterdir():
        assert b"swordfish" not in file.read_bytes()
    with Journal.open(tmp_path, UID) as journal:
        assert journal.append({"n": 3}) == 42
    assert read_journal(path)[1] == []


def test_a_rewritten_journal_that_loses_its_end_is_missed(tmp_path: Path) -> None:
    path = write(tmp_path)
    Journal.rewrite(tmp_path, UID, [{"n": 1}, {"n": 2}], first_seq=40)
    path.write_bytes(path.read_bytes()[:-30])
    assert explained(read_journal(path)[1]) == {40, 41}


def test_what_follows_a_seal_is_read_alone(tmp_path: Path) -> None:
    with Journal.create(tmp_path, "s", {"t": "open"}) as journal:
        journal.append({"n": 1})
        seal = journal.seal()
        journal.append({"n": 2})
        journal.settle()
    path = tmp_path / "s.journal"
    since = read_since(path, seal)
    assert since is not None
    assert since == read_journal(path)[0][2:]
    with Journal.open(tmp_path, "s", seal=seal) as again:
        assert again.append({"n": 3}) == 3
        assert again.seal() == Seal(path.stat().st_size, xxhash.xxh3_128_digest(path.read_bytes()))
    assert [record.body.get("n") for record in read_journal(path)[0]] == [None, 1, 2, 3]


@pytest.mark.parametrize("at", [3, 40, -3])
def test_a_seal_does_not_hide_damage(tmp_path: Path, at: int) -> None:
    """Before it, behind it: either way the whole journal is looked at."""
    with Journal.create(tmp_path, "s", {"t": "open"}) as journal:
        journal.append({"n": 1})
        seal = journal.seal()
        journal.append({"n": 2})
        journal.settle()
    path = tmp_path / "s.journal"
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert read_since(path, seal) is None


def test_a_seal_counts_only_while_both_copies_agree(tmp_path: Path) -> None:
    """Unsettled records must stand in the mirror, and nothing else may."""
    with Journal.create(tmp_path, "s", {"t": "open"}) as journal:
        journal.settle()
        seal = journal.seal()
        journal.append({"n": 1})
    path = tmp_path / "s.journal"
    assert read_since(path, seal) is not None
    mirror = path.with_suffix(".mirror").read_bytes()
    path.with_suffix(".mirror").write_bytes(mirror[:-2])
    assert read_since(path, seal) is None
    path.with_suffix(".mirror").write_bytes(mirror)
    path.write_bytes(path.read_bytes()[: seal.size])
    assert read_since(path, seal) is None
