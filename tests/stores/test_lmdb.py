from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from perdure.config import StoreOptions
from perdure.errors import (
    ObjectCorrupt,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreUnreadable,
    StoreVersion,
)
from perdure.stores import environment, faults
from perdure.stores.base import Digest, Store
from perdure.stores.environment import format_value
from perdure.stores.lmdb import LmdbStore
from perdure.stores.tables import OBJECTS, REFLOG, REFS
from perdure.testing.store_machine import StoreMachine, run_machine
from perdure.testing.store_suite import StoreTests, lineage

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.disarm()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


def raw_put(store: LmdbStore, table: str, key: bytes, value: bytes) -> None:
    env = store._open()
    with env.env.begin(write=True) as txn:
        txn.put(key, value, db=env.tables[table])


class TestLmdbStore(StoreTests):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "store"

    def make(self) -> Store:
        return LmdbStore(self.path)

    def raw_get(self, store: Store, digest: Digest) -> bytes | None:
        assert isinstance(store, LmdbStore)
        env = store._open()
        with env.env.begin() as txn:
            value: bytes | None = txn.get(digest, db=env.tables[OBJECTS])
            return value

    def raw_set(self, store: Store, digest: Digest, record: bytes) -> None:
        assert isinstance(store, LmdbStore)
        raw_put(store, OBJECTS, digest, record)


class LmdbMachine(StoreMachine):
    def opener(self) -> Callable[[], Store]:
        self.directory = Path(tempfile.mkdtemp())
        return lambda: LmdbStore(self.directory)

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.directory)


def test_machine() -> None:
    run_machine(LmdbMachine, examples=60)


# life on disk


def fill(path: Path, count: int = 20, size: int = 50_000) -> list[Digest]:
    generator = random.Random(1)
    with LmdbStore(path) as store, store.write() as txn:
        digests = [txn.put("leaf", generator.randbytes(size)) for _ in range(count)]
        node = txn.put("node", refs=digests)
        txn.link(lineage(1), digests[0])
        txn.set_ref("heads/main", None, node, meta={"uid": "u"}, reason="made")
    return digests


def test_everything_survives_reopening(path: Path) -> None:
    digests = fill(path)
    with LmdbStore(path) as store, store.read() as txn:
        assert set(digests) < set(txn.digests())
        assert txn.find(lineage(1)) == digests[0]
        ref = txn.ref("heads/main")
        assert ref is not None
        assert ref.meta == {"uid": "u"}
        assert [entry.reason for entry in txn.reflog("heads/main")] == ["made"]
        assert store.check() == []


def test_one_environment_for_a_process(path: Path) -> None:
    first, second = LmdbStore(path), LmdbStore(path)
    with first.write() as txn:
        digest = txn.put("leaf")
    first.close()
    with second.read() as txn:
        assert txn.has(digest)
    with LmdbStore(path, read_only=True) as third, pytest.raises(StoreUnreadable), third.write():
        pass
    second.close()
    assert environment._shared == {}


def test_a_store_put_in_the_place_of_a_removed_one_is_another(path: Path) -> None:
    first = LmdbStore(path)
    with first.write() as txn:
        digest = txn.put("leaf")
    (path / "data.mdb").rename(path / "old.mdb")
    (path / "lock.mdb").unlink()
    with LmdbStore(path) as second, second.read() as view:
        assert not view.has(digest)
    first.close()


def test_read_only_needs_a_store(path: Path) -> None:
    with pytest.raises(StoreUnreadable):
        LmdbStore(path, read_only=True)
    assert not path.exists()


def test_read_only_and_writing_do_not_mix_in_one_process(path: Path) -> None:
    fill(path)
    with LmdbStore(path, read_only=True) as store:
        with store.read() as txn:
            assert len(list(txn.digests())) == 21
        with pytest.raises(StoreError):
            LmdbStore(path)
    LmdbStore(path).close()


def test_nothing_is_left_of_making_a_store(path: Path) -> None:
    LmdbStore(path).close()
    assert sorted(child.name for child in path.iterdir()) == ["data.mdb", "lock.mdb"]
    assert (path / "data.mdb").stat().st_mode & 0o077 == 0


def test_a_hundred_thousand_small_objects(path: Path) -> None:
    with LmdbStore(path) as store, store.write() as txn:
        for n in range(100_000):
            txn.put("leaf", n.to_bytes(8, "big"))
    began = time.monotonic()
    with LmdbStore(path) as store, store.read() as txn:
        assert sum(1 for _ in txn.digests()) == 100_000
    assert time.monotonic() - began < 2


def test_compact_copy(path: Path, tmp_path: Path) -> None:
    digests = fill(path)
    with LmdbStore(path) as store:
        with store.write() as txn:
            for digest in digests[:15]:
                txn.delete(digest)
        before = store.bytes_on_disk()
        size = store.copy_compact(tmp_path / "copy.mdb")
        assert size == (tmp_path / "copy.mdb").stat().st_size < before
    (tmp_path / "copy.mdb").replace(path / "data.mdb")
    with LmdbStore(path) as store, store.read() as txn:
        assert sum(1 for _ in txn.digests()) == 6
        assert store.bytes_on_disk() < before


def test_a_compact_copy_that_fails_leaves_nothing(path: Path, tmp_path: Path) -> None:
    with LmdbStore(path) as store:
        with pytest.raises(StoreError):
            store.copy_compact(tmp_path / "absent" / "copy.mdb")
        (tmp_path / "taken").mkdir()
        with pytest.raises(StoreUnreadable):
            store.copy_compact(tmp_path / "taken")


# several processes

WRITER = """
import sys
from pathlib import Path
from perdure.stores.lmdb import LmdbStore
with LmdbStore(Path(sys.argv[1])) as store:
    for n in range(int(sys.argv[2])):
        with store.write() as txn:
            ref = txn.ref("counter")
            count = int(bytes(txn.get(ref.target).payload)) + 1 if ref else 1
            txn.set_ref("counter", ref.target if ref else None, txn.put("leaf", str(count).encode()))
"""

KILLED = """
import sys
from pathlib import Path
from perdure.stores import faults
from perdure.stores.lmdb import LmdbStore
store = LmdbStore(Path(sys.argv[1]))
faults.arm(sys.argv[2])
with store.write() as txn:
    ref = txn.ref("heads/main")
    txn.set_ref("heads/main", ref.target, txn.put("node", b"new" * 5000), reason="second")
    txn.delete(ref.target)
"""


def child(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT)


def test_processes_take_turns(path: Path) -> None:
    LmdbStore(path).close()
    children = [child(WRITER, str(path), "40") for _ in range(3)]
    assert [process.wait(60) for process in children] == [0, 0, 0]
    with LmdbStore(path) as store, store.read() as txn:
        ref = txn.ref("counter")
        assert ref is not None
        assert bytes(txn.get(ref.target).payload) == b"120"
        assert store.check() == []


def test_processes_may_make_a_store_at_once(path: Path) -> None:
    children = [child(WRITER, str(path), "5") for _ in range(3)]
    assert [process.wait(60) for process in children] == [0, 0, 0]
    with LmdbStore(path) as store, store.read() as txn:
        assert len(list(txn.reflog("counter"))) == 15


@pytest.mark.crash
@pytest.mark.parametrize("point", [name for name in faults.names() if name.startswith("lmdb.") and "create" not in name])
def test_a_killed_writer_leaves_all_or_nothing(path: Path, point: str) -> None:
    fill(path)
    assert child(KILLED, str(path), point).wait(60) == -9
    with LmdbStore(path) as store:
        with store.write() as txn:
            moves = [entry.reason for entry in txn.reflog("heads/main")]
            txn.put("leaf", b"life goes on")
        assert moves == (["made", "second"] if point == "lmdb.commit.after" else ["made"])
        assert store.check() == []


@pytest.mark.crash
@pytest.mark.parametrize("point", [name for name in faults.names() if name.startswith("lmdb.create")])
def test_a_store_is_made_whole_or_not_at_all(path: Path, point: str) -> None:
    program = f"from perdure.stores import faults\nfaults.arm({point!r})\n{WRITER}"
    assert child(program, str(path), "1").wait(60) == -9
    assert (path / "data.mdb").exists() == (point == "lmdb.create.after")
    fill(path)


# damage


def test_bit_flips_in_payloads_are_found(path: Path) -> None:
    digests = fill(path)
    generator = random.Random(2)
    with LmdbStore(path, read_only=True) as store, store.read() as txn:
        payload = bytes(txn.get(digests[7]).payload)
    data = bytearray((path / "data.mdb").read_bytes())
    at = data.find(payload) + generator.randrange(len(payload))
    data[at] ^= 1 << generator.randrange(8)
    (path / "data.mdb").write_bytes(data)
    with LmdbStore(path) as store:
        with store.read() as txn, pytest.raises(ObjectCorrupt):
            txn.get(digests[7])
        assert len(store.check()) == 1


@pytest.mark.parametrize("keep", [0, 1, 100, 4096, 8191, 8192, 20_000, -4096, -1])
def test_a_truncated_file(path: Path, keep: int) -> None:
    fill(path)
    size = (path / "data.mdb").stat().st_size
    os.truncate(path / "data.mdb", keep if keep >= 0 else size + keep)
    with pytest.raises(StoreDamaged, match="truncated"):
        LmdbStore(path)
    with pytest.raises(StoreDamaged):
        LmdbStore(path, read_only=True)


def test_garbage(path: Path) -> None:
    fill(path)
    size = (path / "data.mdb").stat().st_size
    for content in (b"\0" * size, random.Random(3).randbytes(size)):
        (path / "data.mdb").write_bytes(content)
        with pytest.raises(StoreDamaged):
            LmdbStore(path)
    assert environment._shared == {}


def test_files_never_look_truncated(path: Path) -> None:
    """LMDB does not write pages that one transaction took and gave back; the file must reach its last page anyway."""
    generator = random.Random(4)
    present: list[Digest] = []
    with LmdbStore(path) as store:
        for _ in range(300):
            with store.write() as txn:
                for _ in range(generator.randint(1, 12)):
                    if present and generator.random() < 0.5:
                        txn.delete(present.pop(generator.randrange(len(present))))
                    else:
                        size = generator.choice([30, 300, 3000, 30_000])
                        present.append(txn.put("leaf", generator.randbytes(size)))
            env = store._open()
            assert env.data.stat().st_size == env.used_bytes()
        assert store.check() == []


def test_a_damaged_ref_can_be_put_right(path: Path) -> None:
    digests = fill(path)
    with LmdbStore(path) as store:
        raw_put(store, REFS, b"heads/main", b"garbage that is no ref")
        with store.read() as txn:
            with pytest.raises(StoreDamaged, match="heads/main"):
                txn.ref("heads/main")
            with pytest.raises(StoreDamaged):
                list(txn.refs())
        assert any("heads/main" in sentence for sentence in store.check())
        with store.write() as txn:
            txn.set_ref("heads/main", None, digests[0], meta={"uid": "u"})
        with store.write() as txn:
            raw = b"\0" * 30
        raw_put(store, REFS, b"heads/main", raw)
        with store.write() as txn:
            txn.delete_ref("heads/main", digests[0])
        assert store.check() == []


def test_a_damaged_log_is_found(path: Path) -> None:
    fill(path)
    with LmdbStore(path) as store:
        raw_put(store, REFLOG, b"heads/main\0" + (1).to_bytes(8, "big"), b"no entry")
        assert any("Entry 1" in sentence for sentence in store.check())


def test_a_newer_format_is_left_alone(path: Path) -> None:
    fill(path)
    with lmdb.open(str(path), max_dbs=8) as env, env.begin(write=True) as txn:
        txn.put(b"format", format_value(2), db=env.open_db(b"meta", txn=txn))
    before = (path / "data.mdb").read_bytes()
    with pytest.raises(StoreVersion):
        LmdbStore(path)
    assert (path / "data.mdb").read_bytes() == before


def test_a_foreign_database(path: Path) -> None:
    path.mkdir()
    with lmdb.open(str(path), max_dbs=8) as env, env.begin(write=True) as txn:
        txn.put(b"a", b"b")
    with pytest.raises(StoreUnreadable, match="not Perdure's"):
        LmdbStore(path)


# disks


def test_a_full_disk_changes_nothing(path: Path) -> None:
    fill(path)
    full = OSError(errno.ENOSPC, "No space left on device")
    for point in ("lmdb.put.before", "lmdb.put.after", "lmdb.commit.before"):
        with LmdbStore(path) as store:
            faults.arm(point, error=full)
            with pytest.raises(StoreFull), store.write() as txn:
                txn.put("leaf", b"too much")
            faults.disarm()
            with store.write() as txn:
                assert len(list(txn.digests())) == 21
                txn.delete(txn.put("leaf", b"fits"))


def test_a_limit_of_the_system_is_a_full_disk(path: Path) -> None:
    fill(path)
    program = """
import resource, signal, sys
from pathlib import Path
from perdure.errors import StoreFull
from perdure.stores.lmdb import LmdbStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with LmdbStore(Path(sys.argv[1])) as store:
    limit = (Path(sys.argv[1]) / "data.mdb").stat().st_size + 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with store.write() as txn:
            for n in range(10):
                txn.put("leaf", bytes([n]) * 100_000)
    except StoreFull:
        pass
    else:
        sys.exit(3)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with store.write() as txn:
        txn.put("leaf", b"fits again")
"""
    assert child(program, str(path)).wait(60) == 0
    with LmdbStore(path) as store, store.read() as txn:
        assert len(list(txn.digests())) == 22
        assert store.check() == []


def test_the_largest_size_is_a_full_disk(path: Path) -> None:
    with LmdbStore(path, StoreOptions(map_size=1 << 20)) as store:
        with pytest.raises(StoreFull), store.write() as txn:
            txn.put("leaf", b"x" * (4 << 20))
        with store.write() as txn:
            txn.put("leaf", b"x")
            assert len(list(txn.digests())) == 1


def test_little_address_space_is_enough(path: Path) -> None:
    program = "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))\n" + WRITER
    assert child(program, str(path), "2").wait(60) == 0


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnreadable):
        LmdbStore(tmp_path / "file")


UNPRIVILEGED = """
import os, sys, tempfile
from pathlib import Path
from perdure.errors import StoreUnreadable
from perdure.stores.lmdb import LmdbStore
# The binding imports parts of itself late, which the new user may not be allowed to read.
with tempfile.TemporaryDirectory() as folder, LmdbStore(Path(folder)) as store, store.write() as txn:
    txn.put("leaf")
if os.geteuid() == 0:
    os.setuid(65534)
path = Path(sys.argv[1])
for refused in (path, path / "new"):
    try:
        LmdbStore(refused)
    except StoreUnreadable:
        continue
    sys.exit(3)
with LmdbStore(path, read_only=True) as store, store.read() as txn:
    sys.exit(len(list(txn.digests())))
"""


def test_a_directory_that_may_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        fill(path)
        for name in ("data.mdb", "lock.mdb"):
            (path / name).chmod(0o444)
        path.chmod(0o555)
        try:
            assert child(UNPRIVILEGED, directory).wait(60) == 21
        finally:
            path.chmod(0o700)
