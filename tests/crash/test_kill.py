"""kill -9 at every write step and at random moments: what was acknowledged is there afterwards, and nothing is broken."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure.stores import faults
from tests.crash.expectation import Expectation
from tests.crash.zygote import Outcome, Zygote, kill_after_acks, kill_after_seconds

pytestmark = pytest.mark.crash

REPAIR_POINTS = {name for name in faults.names() if name.startswith("journal.rewrite.")}
OPENING_POINTS = {name for name in faults.names() if name.startswith("lmdb.create.")}
WORK_POINTS = [name for name in faults.names() if name not in REPAIR_POINTS]
BATCHES = 24
RARE = ("journal.create.", "journal.settle.", "journal.sync.", "lmdb.begin.", "lmdb.commit.")
PASSINGS, RARE_PASSINGS = (0, 2, 9, 31), (0, 1, 2, 3)
RECOMPUTED = "computed again when needed"


class Life:
    """One store through many kills. `round` lets a worker live, has it killed, and holds what is left to what was told."""

    def __init__(self, zygote: Zygote, folder: Path) -> None:
        self._zygote = zygote
        self._folder = folder
        self._expected = Expectation()
        self.store = folder / "store"
        self.kills = 0

    def round(self, how: str, seed: int, meanwhile: Callable[[int, Path], None] | None = None, **job: Any) -> bool:
        """Returns whether the worker was killed."""
        outcome = self._job("work", seed=seed, meanwhile=meanwhile, **{"steps": 12, **job})
        where = f"[{how}, seed {seed}, store {self.store}, last {outcome.lines[-1:]}]"
        assert outcome.killed or outcome.status == 0, f"{where} worker: {outcome.status} {trace(outcome)}"
        self.kills += outcome.killed
        self._expected.follow(outcome.lines)
        self._examine(where, thorough=seed % 5 == 0)
        return outcome.killed

    def _examine(self, where: str, *, thorough: bool) -> None:
        chat = random.Random(where).choice(sorted(self._expected.sessions) or ["alice"])
        outcome = self._job("examine", verify=thorough, chat=chat)
        assert outcome.status == 0, f"{where} reopening: {outcome.status} {trace(outcome)}"
        first, *_, after = (line for line in outcome.lines if line["did"] == "fsck")
        assert not first["lost"], f"{where} fsck: {first}"
        assert all(RECOMPUTED in sentence for _, sentence, _ in first["problems"]), f"{where} fsck: {first}"
        assert after["ok"], f"{where} fsck after all was opened: {after}"
        found = outcome.last("sessions")
        wrong = self._expected.check(found["sessions"], found["tags"])
        assert not wrong, f"{where} {wrong}"
        self._expected.adopt(found["sessions"], found["tags"])
        self._expected.follow([outcome.last("end")])

    def die_in_a_turn(self, tokens: int) -> bool:
        """Have a worker killed in the middle of an answer, and only note what it was told."""
        outcome = self._job("work", seed=9, steps=30, point="journal.append.after", after=20 + tokens)
        self._expected.follow(outcome.lines)
        return outcome.killed

    def without_database(self) -> None:
        """A copy of the store that has lost its database must hold the same: journals alone tell everything."""
        copy = self._folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.store, copy)
        (copy / "data.mdb").unlink()
        outcome = self._job("examine", store=str(copy))
        where = f"[without its database, store {self.store}]"
        assert outcome.status == 0, f"{where} {outcome.status} {trace(outcome)}"
        assert not outcome.lines[0]["lost"], f"{where} {outcome.lines[0]}"
        found = outcome.last("sessions")
        wrong = self._expected.check(found["sessions"], found["tags"])
        assert not wrong, f"{where} {wrong}"

    def mend(self, **job: Any) -> Outcome:
        return self._job("mend", **job)

    def again(self, where: str) -> None:
        """Open it and hold it to what was told, nothing having happened since."""
        self._examine(where, thorough=True)

    def _job(self, what: str, meanwhile: Callable[[int, Path], None] | None = None, **job: Any) -> Outcome:
        return self._zygote.run(
            {"job": what, "store": str(self.store), "acks": str(self._folder / "acks"), **job}, meanwhile
        )


def trace(outcome: Outcome) -> str:
    return "\n".join(line["trace"] for line in outcome.lines if "trace" in line)


def passings(point: str) -> tuple[int, ...]:
    if point in OPENING_POINTS:
        return (0,)
    return RARE_PASSINGS if point.startswith(RARE) else PASSINGS


@pytest.mark.parametrize("point", WORK_POINTS)
def test_a_kill_at_every_write_step(zygote: Zygote, tmp_path: Path, point: str) -> None:
    """Each point at several passings; the store goes on from kill to kill."""
    life = Life(zygote, tmp_path)
    for passing in passings(point):
        killed = (
            life.round(f"{point} passing {passing}", seed, point=point, after=passing)
            for seed in range(passing, passing + 20)
        )
        assert any(killed), f"{point} was never passed {passing} times"
    assert life.kills == len(passings(point))


@pytest.mark.parametrize("point", sorted(REPAIR_POINTS))
@pytest.mark.parametrize("worn", ["journal", "mirror", "both"])
def test_a_kill_while_a_journal_is_written_anew(zygote: Zygote, tmp_path: Path, point: str, worn: str) -> None:
    """The turn in progress stands in journal and mirror only; repair must not lose it when it dies itself."""
    life = Life(zygote, tmp_path)
    assert not life.round("no kill", 3)
    assert life.die_in_a_turn(5)
    for path in (life.store / "journals").glob("*.journal"):
        wear(path, worn)
    assert life.mend(point=point).killed == (worn != "mirror"), f"{point} was not passed"
    mended = life.mend()
    assert mended.status == 0, trace(mended)
    assert not mended.last("fsck")["lost"]
    life.again(f"[{point}, {worn} worn, store {life.store}]")


def wear(path: Path, what: str) -> None:
    """Damage what the database has in a journal's files, or the whole of one of them."""
    data = path.read_bytes()
    if what == "journal":
        path.write_bytes(data[: len(data) // 3])
    elif what == "mirror":
        path.with_suffix(".mirror").unlink()
    else:
        path.write_bytes(data[:40] + bytes(8) + data[48:])


@pytest.mark.parametrize("batch", range(BATCHES))
def test_kills_at_random_moments(zygote: Zygote, tmp_path: Path, kills: int, batch: int) -> None:
    """All kills that are left after those at each point. A store lives through 25, so that damage would add up."""
    rng, done, seed = random.Random(batch), 0, 1000 * batch
    left = -(-max(BATCHES, kills - sum(len(passings(point)) for point in WORK_POINTS)) // BATCHES)
    life = Life(zygote, tmp_path)
    while done < left:
        if done % 25 == 0:
            shutil.rmtree(tmp_path, ignore_errors=True)
            tmp_path.mkdir()
            life = Life(zygote, tmp_path)
        seed += 1
        how, meanwhile, job = moment(rng)
        if life.round(how, 1000 + seed, meanwhile, steps=40, **job):
            done += 1
            if done % 10 == 0:
                life.without_database()


def moment(rng: random.Random) -> tuple[str, Callable[[int, Path], None] | None, dict[str, Any]]:
    """A way to die."""
    kind = rng.randrange(3)
    if kind == 0:
        seconds = rng.uniform(0.005, 0.15)
        return f"time {seconds:.4f}s", kill_after_seconds(seconds), {}
    if kind == 1:
        acks = rng.randint(1, 60)
        return f"acks {acks}", kill_after_acks(acks), {}
    point, after = rng.choice(WORK_POINTS), rng.randint(0, 60)
    return f"point {point} passing {after}", None, {"point": point, "after": after}
