from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perdure.errors import SessionBusy, StoreError, StoreUnreadable
from perdure.stores.lease import Lease, StoreLock

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from perdure.stores.lease import Lease
lease = Lease(Path(sys.argv[1]))
lease.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lease_excludes_others_in_this_process(tmp_path: Path) -> None:
    with Lease(tmp_path / "lease") as lease:
        assert lease.held
        with pytest.raises(SessionBusy, match=f"process {os.getpid()}"):
            Lease(tmp_path / "lease").acquire()
        with pytest.raises(StoreError):
            lease.acquire()
    lease.release()
    lease.acquire()
    lease.release()


def test_who_waits_for_a_lease_whose_file_is_removed_has_it_alone(tmp_path: Path) -> None:
    first, second = Lease(tmp_path / "lease"), Lease(tmp_path / "lease")
    first.acquire()
    waiting = threading.Thread(target=second.acquire, args=(10_000,))
    waiting.start()
    first.remove()
    first.release()
    waiting.join()
    assert second.held
    with pytest.raises(SessionBusy):
        Lease(tmp_path / "lease").acquire()
    second.release()


def test_a_lease_excludes_other_processes_and_ends_with_them(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "lease")
    with holder(lease.path) as process:
        with pytest.raises(SessionBusy, match=f"process {process.pid}"):
            lease.acquire()
        with pytest.raises(SessionBusy):
            lease.acquire(wait_ms=30)
        process.kill()
        process.wait()
        lease.acquire()
    lease.release()


def test_waiting_for_a_lease(tmp_path: Path) -> None:
    first, second = Lease(tmp_path / "lease"), Lease(tmp_path / "lease")
    first.acquire()
    timer = threading.Timer(0.05, first.release)
    timer.start()
    second.acquire(wait_ms=20_000)
    timer.join()
    second.release()


def test_a_lease_file_that_was_removed(tmp_path: Path) -> None:
    first, second = Lease(tmp_path / "lease"), Lease(tmp_path / "lease")
    first.acquire()
    first.path.unlink()
    second.acquire()
    assert second.held
    with pytest.raises(SessionBusy):
        Lease(tmp_path / "lease").acquire()
    first.release()
    second.release()


def test_a_lease_in_no_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadable):
        Lease(tmp_path / "absent" / "lease").acquire()


def test_no_file_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with Lease(tmp_path / "lease"):
        for _ in range(20):
            with pytest.raises(SessionBusy):
                Lease(tmp_path / "lease").acquire()
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before


def test_a_store_lock_is_shared_or_exclusive(tmp_path: Path) -> None:
    first, second, third = (StoreLock(tmp_path / "lock") for _ in range(3))
    with first.shared(), second.shared(), pytest.raises(SessionBusy), third.exclusive():
        pass
    with third.exclusive():
        with pytest.raises(SessionBusy):
            first.acquire(shared=True)
        with pytest.raises(SessionBusy), second.exclusive(wait_ms=20):
            pass
    assert not any(lock.held for lock in (first, second, third))


def test_a_shared_lock_becomes_exclusive_and_shared_again(tmp_path: Path) -> None:
    first, second = StoreLock(tmp_path / "lock"), StoreLock(tmp_path / "lock")
    first.acquire(shared=True)
    with first.exclusive(), pytest.raises(SessionBusy):
        second.acquire(shared=True)
    second.acquire(shared=True)
    with pytest.raises(SessionBusy), first.exclusive():
        pass
    second.release()
    with pytest.raises(SessionBusy), second.exclusive():
        pass
    assert first.held
    first.release()
    second.acquire(shared=False)
    second.release()
