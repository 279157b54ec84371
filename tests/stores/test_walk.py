from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.stores import walk as walking
from perdure.stores.base import Digest
from perdure.stores.lmdb import LmdbStore
from perdure.stores.walk import walk

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


def fill(path: Path, count: int = 30) -> list[Digest]:
    generator = random.Random(1)
    with LmdbStore(path) as store, store.write() as txn:
        digests = [txn.put("leaf", generator.randbytes(20_000)) for _ in range(count)]
        node = txn.put("node", refs=digests)
        txn.set_ref("heads/main", None, node)
        txn.link(node, node)
    return digests


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_store(path: Path, deep: bool) -> None:
    fill(path)
    told: list[tuple[int, int]] = []
    report = walk(path, deep, progress=lambda objects, size: told.append((objects, size)))
    assert report.ok
    assert report.crashed is None
    assert report.objects == 31
    assert told[-1] == (report.objects, report.bytes)


def test_an_open_store_can_be_walked(path: Path) -> None:
    fill(path)
    with LmdbStore(path) as store, store.write() as txn:
        assert walk(path).ok
        txn.put("leaf", b"later")


def test_damage_and_absence_are_told_apart(path: Path) -> None:
    digests = fill(path)
    with LmdbStore(path) as store:
        with store.write() as txn:
            txn.delete(digests[3])
        with store.read() as txn:
            payload = bytes(txn.get(digests[5]).payload)
    data = bytearray((path / "data.mdb").read_bytes())
    data[data.find(payload) + 100] ^= 8
    (path / "data.mdb").write_bytes(data)
    report = walk(path, True)
    assert not report.ok
    assert report.crashed is None
    assert report.corrupt == [digests[5].hex()]
    assert report.missing_refs == [digests[3].hex()]
    assert report.objects == 30


def test_a_ref_without_its_object(path: Path) -> None:
    fill(path)
    with LmdbStore(path) as store, store.write() as txn:
        ref = txn.ref("heads/main")
        assert ref is not None
        txn.delete(ref.target)
    report = walk(path)
    assert not report.ok
    assert any("heads/main" in sentence for sentence in report.problems)


def test_what_cannot_be_opened(path: Path) -> None:
    assert "no store" in str(walk(path).crashed)
    fill(path)
    os.truncate(path / "data.mdb", 20_000)
    assert "truncated" in str(walk(path).crashed)
    (path / "data.mdb").write_bytes(b"")
    assert not walk(path).ok


@pytest.mark.crash
def test_broken_pages_do_not_reach_the_parent(path: Path) -> None:
    fill(path, count=200)
    whole = (path / "data.mdb").read_bytes()
    generator = random.Random(5)
    pages = [at for at in range(8192, len(whole), 4096) if _is_tree_page(whole, at)]
    for _ in range(8):
        data = bytearray(whole)
        for at in pages:
            start = at + generator.randrange(8, 4000)
            data[start : start + 24] = generator.randbytes(24)
        (path / "data.mdb").write_bytes(data)
        report = walk(path, stall_s=20)
        assert not report.ok


def _is_tree_page(data: bytes, at: int) -> bool:
    number, flags = int.from_bytes(data[at : at + 8], "little"), int.from_bytes(data[at + 10 : at + 12], "little")
    return number * 4096 == at and flags in (1, 2)


@pytest.mark.crash
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("import os; os.kill(os.getpid(), 7)", "SIGBUS"),
        ("raise SystemExit('no way')", "status 1 (no way)"),
        ("print('{\"at\": [7, 70]}', flush=True); print('noise'); import os; os.abort()", "SIGABRT"),
        ("import time; time.sleep(60)", "no progress"),
    ],
)
def test_a_child_that_dies(path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str) -> None:
    monkeypatch.setattr(walking, "_PROGRAM", program)
    report = walk(path, stall_s=2.0)
    assert not report.ok
    assert report.crashed is not None
    assert said in report.crashed
    assert report.objects == (7 if "70" in program else 0)


def test_as_a_command(path: Path) -> None:
    fill(path)
    command = [sys.executable, "-m", "perdure.stores.walk", str(path), "--deep"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "done" in json.loads(done.stdout.splitlines()[-1])
    failed = subprocess.run([*command[:3], str(path / "absent")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "failed" in json.loads(failed.stdout)


def test_walking_needs_no_tensors() -> None:
    program = "import sys, perdure.stores.walk; sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
