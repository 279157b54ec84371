"""Damage to any one file of a store: found, mended from the other copies, never served."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.crash.zygote import Outcome, Zygote

pytestmark = pytest.mark.crash

CASES = 60
SAME = ("messages", "tokens", "logits", "computed")
PAGE = 4096


class Template(NamedTuple):
    """A store, and what an undamaged copy of it holds once it has been opened."""

    store: Path
    sessions: dict[str, Any]
    tags: set[str]


def examined(zygote: Zygote, store: Path, **job: Any) -> Outcome:
    """Examine a store as a user would: a process that a broken page has killed is started again."""
    for _ in range(3):
        outcome = zygote.run({"job": "examine", "store": str(store), "acks": str(store.parent / "acks"), **job})
        if outcome.status >= 0:
            break
    return outcome


def contents(outcome: Outcome) -> tuple[dict[str, Any], set[str]]:
    found = outcome.last("sessions")
    return {name: {key: state[key] for key in SAME} for name, state in found["sessions"].items()}, set(found["tags"])


@pytest.fixture(scope="module", params=["closed", "killed"])
def template(request: pytest.FixtureRequest, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Some sessions, forks, resets and a tag; closed in peace, or killed in the middle of an answer."""
    folder = tmp_path_factory.mktemp(request.param)
    store, acks = folder / "store", folder / "acks"
    job: dict[str, Any] = {"job": "work", "store": str(store), "acks": str(acks), "seed": 11, "steps": 40}
    if request.param == "killed":
        job |= {"point": "journal.append.after", "after": 70}
    outcome = zygote.run(job)
    assert outcome.killed == (request.param == "killed"), outcome
    whole = folder / "whole"
    shutil.copytree(store, whole)
    reference = examined(zygote, whole)
    assert reference.status == 0, reference
    recovered = "recovered" in str(reference.last("sessions"))
    assert recovered == (request.param == "killed"), "the kill must leave an unfinished answer"
    return Template(store, *contents(reference))


def flip(path: Path, rng: random.Random) -> str:
    at = rng.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << rng.randrange(8)]))
    return f"one bit of byte {at}"


def truncate(path: Path, rng: random.Random) -> str:
    size = rng.randrange(path.stat().st_size)
    os.truncate(path, size)
    return f"truncated to {size}"


def delete(path: Path, _rng: random.Random) -> str:
    path.unlink()
    return "deleted"


def blank(path: Path, rng: random.Random) -> str:
    at = rng.randrange((path.stat().st_size + PAGE - 1) // PAGE) * PAGE
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(min(PAGE, path.stat().st_size - at)))
    return f"page at {at} zeroed"


DAMAGES: tuple[Callable[[Path, random.Random], str], ...] = (flip, flip, truncate, delete, blank)


def files(store: Path) -> Iterator[Path]:
    """Every file of the store that has content; the database as often as all journals together, being the larger."""
    found = sorted(path for path in store.rglob("*") if path.is_file() and path.stat().st_size)
    yield from found
    yield from [store / "data.mdb"] * len(found)


def damaged(template: Template, folder: Path, seed: int) -> tuple[Path, str]:
    rng = random.Random(seed)
    store = folder / f"case-{seed}"
    shutil.copytree(template.store, store)
    path = rng.choice(list(files(store)))
    how = rng.choice(DAMAGES)(path, rng)
    return store, f"seed {seed}: {path.relative_to(store)} {how}"


def test_one_damaged_file_loses_nothing(template: Template, zygote: Zygote, tmp_path: Path) -> None:
    for seed in range(CASES):
        store, what = damaged(template, tmp_path, seed)
        outcome = examined(zygote, store, repair=True)
        assert outcome.status == 0, f"{what}: {outcome}"
        sessions, tags = contents(outcome)
        assert sessions == template.sessions, what
        assert tags == template.tags, what
        assert not outcome.last("fsck")["lost"], f"{what}: {outcome.last('fsck')}"
        shutil.rmtree(store)


def test_damage_is_never_served(template: Template, zygote: Zygote, tmp_path: Path) -> None:
    """Without fsck first: the same contents, or a refusal in words; nothing else."""
    for seed in range(1000, 1000 + CASES):
        store, what = damaged(template, tmp_path, seed)
        outcome = examined(zygote, store)
        assert outcome.status in (0, 3), f"{what}: {outcome}"
        if outcome.status == 0:
            sessions, _ = contents(outcome)
            assert {name: template.sessions[name] for name in sessions} == sessions, what
        shutil.rmtree(store)
