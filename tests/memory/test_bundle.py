"""Bundles: round trips, shared history, and files that are anything but bundles."""

from __future__ import annotations

import hashlib
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.errors import InvalidName, MalformedBundle, SessionExists, StoreFull
from perdure.memory.bundle import MAGIC
from perdure.memory.repository import Repository
from perdure.stores import codec
from tests.memory.conftest import Turn, add_turn, contents

LIMIT = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def bundle(repository: Repository, turn: Turn, tmp_path: Path) -> Path:
    for text in ("One.", "Two.", "Three."):
        turn("alice", text)
    file = tmp_path / "alice.bundle"
    assert repository.export("alice", file) == file.stat().st_size
    return file


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Repository]:
    with Repository.open(tmp_path / "other") as opened:
        yield opened


def test_a_session_moves_to_another_store(repository: Repository, other: Repository, bundle: Path) -> None:
    steps: list[tuple[int, int]] = []
    info = other.import_bundle(bundle, progress=lambda done, total: steps.append((done, total)))
    assert info.name == "alice"
    assert info.head == repository.info("alice").head
    assert other.messages("alice") == repository.messages("alice")
    assert other.tokens("alice") == repository.tokens("alice")
    assert other.blocks(info.head) == repository.blocks(info.head)
    assert other.verify("alice") == []
    assert other.fsck().ok
    assert steps[-1][0] == steps[-1][1] == len(steps)
    assert add_turn(other, "alice", "Four.").head.turn == 4


def test_what_is_there_already_is_not_stored_twice(repository: Repository, bundle: Path) -> None:
    before = repository.stats()["objects"]
    info = repository.import_bundle(bundle, "twin")
    assert info.head.digest == repository.info("alice").head.digest
    assert repository.stats()["objects"] == before


def test_an_import_survives_the_loss_of_the_database(repository: Repository, bundle: Path, tmp_path: Path) -> None:
    with Repository.open(tmp_path / "third") as third:
        third.import_bundle(bundle)
    (tmp_path / "third" / "data.mdb").unlink()
    with Repository.open(tmp_path / "third") as third:
        assert contents(third) == contents(repository)
        assert any("alice" in note for note in third.notes)


def test_what_a_killed_process_had_on_its_way_is_swept(other: Repository) -> None:
    left = [other.path / name for name in (".export-abcd", ".import-abcd")]
    for folder in left:
        folder.mkdir()
        (folder / ".bundle.1").write_bytes(b"half of it")
    # Somebody has the store open, who may be at it just now.
    Repository.open(other.path).close()
    assert all(folder.exists() for folder in left)
    other.close()
    Repository.open(other.path).close()
    assert not any(folder.exists() for folder in left)


def test_a_name_that_is_taken_or_wrong(repository: Repository, bundle: Path) -> None:
    with pytest.raises(SessionExists):
        repository.import_bundle(bundle)
    with pytest.raises(InvalidName):
        repository.import_bundle(bundle, "../../etc")


def test_an_older_commit_can_be_exported(repository: Repository, other: Repository, bundle: Path, tmp_path: Path) -> None:
    repository.export("alice~1", tmp_path / "old.bundle")
    info = other.import_bundle(tmp_path / "old.bundle", "old")
    assert info.head.turn == 2
    assert other.verify("old") == []


def state_of(repository: Repository) -> tuple[object, ...]:
    """Everything an import could change."""
    journals = sorted(path.name for path in (repository.path / "journals").iterdir())
    with repository.store.read() as txn:
        return journals, list(txn.digests()), list(txn.refs()), list(txn.lineages())


def refused(repository: Repository, file: Path, data: bytes) -> None:
    file.write_bytes(data)
    before = state_of(repository)
    with pytest.raises(MalformedBundle):
        repository.import_bundle(file, "new")
    assert state_of(repository) == before


def sealed(body: bytes) -> bytes:
    """With the checksum that its author would have given it."""
    return body + blake3(body).digest()


Damage = Callable[[bytes, random.Random], bytes]


def flipped(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def spliced(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.randint(1, 40)) + data[at + rng.choice([0, 0, 8, 64]) :]


def doubled(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[rng.randrange(len(data)) :]


@LIMIT
@given(seed=st.integers(0, 2**32), harm=st.sampled_from([flipped, cut, spliced, doubled]), forged=st.booleans())
def test_a_damaged_bundle_changes_nothing(
    repository: Repository, other: Repository, bundle: Path, seed: int, harm: Damage, forged: bool
) -> None:
    """Even one whose checksum was made to fit."""
    data = bundle.read_bytes()
    wrong = harm(data[:-32], random.Random(seed))
    wrong = sealed(wrong) if forged else wrong + data[-32:]
    if wrong != data and not (forged and same_manifest_but_name(data, wrong)):
        refused(other, bundle.with_name("wrong.bundle"), wrong)


def same_manifest_but_name(a: bytes, b: bytes) -> bool:
    """A forged name or model is no damage that a reader could see."""
    try:
        first, second = (msgpack.unpackb(data[12 : 12 + int.from_bytes(data[8:12], "little")]) for data in (a, b))
        rest = [data[12 + int.from_bytes(data[8:12], "little") : -32] for data in (a, b)]
        return bool(rest[0] == rest[1] and all(first[key] == second[key] for key in ("v", "head", "objects")))
    except (ValueError, KeyError, TypeError, msgpack.exceptions.UnpackException):
        return False


@pytest.mark.parametrize(
    "data",
    [b"", b"PDBUNDL1", b"\0" * 200, MAGIC + (1 << 31).to_bytes(4, "little") + b"x" * 100, b"PK\x03\x04" + b"\0" * 300],
)
def test_what_is_no_bundle(other: Repository, tmp_path: Path, data: bytes) -> None:
    refused(other, tmp_path / "no.bundle", data)


@pytest.mark.parametrize("length", [0, 1, 2**20, 2**62, 2**64 - 1])
def test_wrong_lengths_allocate_nothing(other: Repository, bundle: Path, length: int) -> None:
    data = bundle.read_bytes()
    start = 12 + int.from_bytes(data[8:12], "little")
    refused(other, bundle, sealed(data[:start] + length.to_bytes(8, "little") + data[start + 8 : -32]))


@pytest.mark.parametrize(
    "manifest",
    [
        {"v": 1, "name": "x", "model": "", "head": b"\0" * 32, "objects": 2**63},
        {"v": 1, "name": "x", "model": "", "head": 7, "objects": 1},
        {"v": 1, "name": "x", "model": "", "head": 2**40, "objects": 1},
        {"v": 2, "name": "x", "model": "", "head": b"\0" * 32, "objects": 1},
        {"v": 1, "name": 3, "model": "", "head": b"\0" * 32, "objects": 1},
        {"v": 1, "name": "x", "model": "", "head": b"\0" * 32, "objects": True},
        [1, 2, 3],
        None,
    ],
)
def test_a_strange_manifest(other: Repository, tmp_path: Path, manifest: object) -> None:
    packed = msgpack.packb(manifest)
    refused(other, tmp_path / "odd.bundle", sealed(MAGIC + len(packed).to_bytes(4, "little") + packed + b"\0" * 16))


def test_a_commit_that_lies_about_its_contents(other: Repository, bundle: Path) -> None:
    """Sound records, sound checksums, but the objects do not fit each other."""
    data = bundle.read_bytes()
    start = 12 + int.from_bytes(data[8:12], "little")
    manifest = msgpack.unpackb(data[12:start])
    _, record = codec.encode("commit", [b"\1" * 32] * 4, {"v": 1, "parents": 0})
    for forged in (record, codec.encode("commit", [], {})[1], codec.encode("note", [], {})[1]):
        head = msgpack.packb({**manifest, "head": codec.digest_of(forged), "objects": 1})
        body = MAGIC + len(head).to_bytes(4, "little") + head + len(forged).to_bytes(8, "little") + forged
        refused(other, bundle.with_name("lie.bundle"), sealed(body))


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size`, as if the disk were full there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_no_bundle(repository: Repository, turn: Turn, tmp_path: Path) -> None:
    turn("alice", tokens=2000)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old.bundle").write_bytes(b"kept")
    kept = hashlib.sha256(b"kept").digest()
    for name in ("new.bundle", "old.bundle"):
        with small_disk(600_000), pytest.raises(StoreFull, match=name):
            repository.export("alice", folder / name)
    assert [path.name for path in folder.iterdir()] == ["old.bundle"]
    assert hashlib.sha256((folder / "old.bundle").read_bytes()).digest() == kept


def test_a_file_that_is_not_there(other: Repository, tmp_path: Path) -> None:
    with pytest.raises(MalformedBundle, match="Cannot read"):
        other.import_bundle(tmp_path / "nowhere.bundle")
    with pytest.raises(MalformedBundle):
        other.import_bundle(tmp_path)
