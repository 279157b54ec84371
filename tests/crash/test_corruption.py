"""One wrong bit, a missing end, a lost page or a lost file, anywhere: found, mended, and never served."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from perdure.memory.repository import Repository
from perdure.stores import codec, frames
from tests.crash.conftest import CI_KILLS
from tests.crash.zygote import Outcome, Zygote

pytestmark = pytest.mark.crash

CASES = 160
PAGE = 4096
TRIES = 3
VISITOR = "visitor"
SAME = ("messages", "tokens", "logits", "computed")
State = dict[str, Any]


class Template(NamedTuple):
    """A store, and what a reader of it finds."""

    store: Path
    sessions: dict[str, State]
    tags: dict[str, str]


class Bench:
    """Runs jobs on copies of a template."""

    def __init__(self, zygote: Zygote, folder: Path) -> None:
        self._zygote = zygote
        self._folder = folder
        self.store = folder / "store"

    def take(self, template: Template) -> None:
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(template.store, self.store)

    def run(self, what: str, **job: Any) -> Outcome:
        return self._zygote.run({"job": what, "store": str(self.store), "acks": str(self._folder / "acks"), **job})

    def look(self, template: Template, where: str) -> None:
        """Whatever is served without an examination is right."""
        outcome = self.run("look", names=sorted(template.sessions))
        assert outcome.status != 4, f"{where} looking: {trace(outcome)}"
        assert outcome.status != -14, f"{where} looking hangs"
        for line in outcome.lines:
            if line["did"] == "served":
                assert_same(line["state"], template.sessions[line["session"]], f"{where} {line['session']} as served")
            elif line["did"] == "tag":
                assert line["commit"] == template.tags[line["tag"]], where

    def mend(self, template: Template, where: str) -> dict[str, Any]:
        """Repair, as often as a patient user would; all must be as it was. Returns the report."""
        outcomes = []
        for _ in range(TRIES):
            outcomes.append(self.run("mend"))
            if outcomes[-1].status == 0:
                break
        last = outcomes[-1]
        assert last.status == 0, f"{where} repair: {[o.status for o in outcomes]} {trace(last)} {last.lines}"
        assert len(outcomes) < TRIES, f"{where} repair needed {len(outcomes)} tries"
        report = last.last("fsck")
        assert not report["lost"], f"{where} {report}"
        self.compare(template, where)
        return report

    def compare(self, template: Template, where: str) -> None:
        outcome = self.run("examine", verify=True)
        assert outcome.status == 0, f"{where} reopening: {outcome.status} {trace(outcome)}"
        found = outcome.last("sessions")
        assert found["sessions"].keys() - {VISITOR} == template.sessions.keys(), where
        assert found["tags"] == template.tags, where
        for name, state in found["sessions"].items():
            if name == VISITOR:
                continue
            assert_same(state, template.sessions[name], f"{where} {name} after repair")
            assert not state["problems"], f"{where} {name} {state['problems']}"


def trace(outcome: Outcome) -> str:
    return "\n".join(line["trace"] for line in outcome.lines if "trace" in line)


def assert_same(found: State, wanted: State, where: str) -> None:
    for part in SAME:
        assert found[part] == wanted[part], f"{where}: {part} differ: {found[part]} != {wanted[part]}"


@pytest.fixture(scope="module")
def bench(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(zygote, tmp_path_factory.mktemp("bench"))


def made(bench: Bench, place: Path, **job: Any) -> Template:
    outcome = bench.run("template", store=str(place), **job)
    assert outcome.status == (-9 if job else 0), trace(outcome)
    bench.take(Template(place, {}, {}))
    examined = bench.run("examine", verify=True)
    assert examined.status == 0, trace(examined)
    found = examined.last("sessions")
    return Template(place, found["sessions"], found["tags"])


@pytest.fixture(scope="module")
def closed(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Template:
    return made(bench, tmp_path_factory.mktemp("closed") / "store")


@pytest.fixture(scope="module")
def cut_short(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Its last answer was being streamed when the process was killed."""
    template = made(bench, tmp_path_factory.mktemp("cut") / "store", die=True)
    assert template.sessions["carol"]["messages"][-2] == ["user", "And now?"]
    assert len(template.sessions["carol"]["answer"]) >= 5
    return template


def files(store: Path) -> list[Path]:
    return sorted(path for path in store.rglob("*") if path.is_file() and path.stat().st_size)


def flip(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    at, bit = place(path, data, rng), rng.randrange(8)
    data[at] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {at} flipped"


def place(path: Path, data: bytearray, rng: random.Random) -> int:
    """Anywhere, but in a database more often where pages and entries begin."""
    if path.suffix == ".mdb" and rng.random() < 0.6:
        page = rng.randrange(len(data) // PAGE) if rng.random() < 0.8 else rng.randrange(2)
        return min(len(data) - 1, page * PAGE + rng.randrange(200))
    return rng.randrange(len(data))


def truncate(path: Path, rng: random.Random) -> str:
    size = rng.choice([0, rng.randrange(path.stat().st_size), path.stat().st_size - 1])
    with path.open("r+b") as file:
        file.truncate(size)
    return f"truncated to {size}"


def delete(path: Path, rng: random.Random) -> str:
    path.unlink()
    return "deleted"


def zero(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data)) // PAGE * PAGE
    data[at : at + PAGE] = bytes(len(data[at : at + PAGE]))
    path.write_bytes(data)
    return f"page at {at} zeroed"


HARMS: list[Callable[[Path, random.Random], str]] = [flip, flip, flip, truncate, zero, delete]


@pytest.mark.parametrize("batch", range(8))
def test_any_single_damage_is_found_and_mended(
    bench: Bench, closed: Template, cut_short: Template, kills: int, batch: int
) -> None:
    """Some are opened unsuspectingly first, the others repaired at once. More kills, more cases."""
    cases = CASES * kills // CI_KILLS
    for case in range(batch * cases // 8, (batch + 1) * cases // 8):
        rng = random.Random(case)
        template = rng.choice([closed, cut_short])
        bench.take(template)
        mdb = [bench.store / "data.mdb"]
        victim = rng.choice([*files(bench.store), *mdb * 8])
        kind, how = "closed" if template is closed else "cut short", rng.choice(HARMS)(victim, rng)
        where = f"[case {case}, {kind}, {victim.relative_to(bench.store)} {how}]"
        if rng.random() < 0.5:
            bench.look(template, where)
        bench.mend(template, where)


@pytest.mark.parametrize("pattern", ["data.mdb", "lock.mdb", "journals/*.journal", "journals/*.mirror", "leases/*"])
@pytest.mark.parametrize("harm", [delete, zero])
def test_a_whole_kind_of_file_is_lost(
    bench: Bench, cut_short: Template, pattern: str, harm: Callable[[Path, random.Random], str]
) -> None:
    rng = random.Random(pattern)
    bench.take(cut_short)
    for path in bench.store.glob(pattern):
        if path.stat().st_size:
            harm(path, rng)
    where = f"[all {pattern}: {harm.__name__}]"
    if "journal" not in pattern:
        bench.look(cut_short, where)
    if pattern != "journals/*.journal" or harm is zero:
        bench.mend(cut_short, where)


@pytest.mark.parametrize("page", [0, 1])
def test_every_bit_of_a_meta_page(bench: Bench, closed: Template, page: int) -> None:
    """LMDB silently falls back to an older state when its newest meta page looks older."""
    rng = random.Random(page)
    for offset in rng.sample(range(144, 152), 4) + rng.sample(range(16, 144), 4):
        bit = 1 if offset == 144 else rng.randrange(8)
        bench.take(closed)
        data = bytearray((bench.store / "data.mdb").read_bytes())
        data[page * PAGE + offset] ^= 1 << bit
        (bench.store / "data.mdb").write_bytes(data)
        where = f"[meta page {page}, byte {offset}, bit {bit}]"
        bench.look(closed, where)
        bench.mend(closed, where)


def test_a_token_lost_in_both_copies(bench: Bench, cut_short: Template) -> None:
    """What stood before it is kept, nothing is put in its place, and it is named."""
    bench.take(cut_short)
    uid, wanted = uid_of(bench.store, "carol"), cut_short.sessions["carol"]
    tokens = [frame for frame in frames_of(bench.store, uid)[1] if frame.body["t"] == "tok"]
    spoil(bench.store, uid, lambda frame: frame.seq == tokens[2].seq)
    report = bench.run("mend").last("fsck")
    place = f"journal records {tokens[2].seq} to {tokens[2].seq} are damaged in both copies"
    assert len(report["lost"]) == 1
    assert "'carol'" in report["lost"][0]
    assert place in report["lost"][0]
    assert f"{len(tokens) - 3} tokens behind" in report["lost"][0]
    found = bench.run("examine", verify=True).last("sessions")["sessions"]
    assert found["carol"]["messages"][:-1] == wanted["messages"][:-1]
    assert found["carol"]["answer"] == wanted["answer"][:2]
    for name in ("alice", "bob"):
        assert_same(found[name], cut_short.sessions[name], name)


def test_a_message_lost_in_journal_and_database(bench: Bench, closed: Template) -> None:
    """Its session refuses to be read and can go back before it; all other sessions are whole."""
    bench.take(closed)
    messages = closed.sessions["carol"]["messages"]
    lost, _ = codec.encode("message", (), {}, messages[-1][1].encode())
    uid = uid_of(bench.store, "carol")
    spoil(bench.store, uid, lambda frame: any(codec.digest_of(r) == lost for r in frame.body.get("records", ())))
    spoil_object(bench.store, lost)
    report = bench.run("mend").last("fsck")
    assert any("message 2 (assistant) of session 'carol'" in sentence for sentence in report["lost"]), report
    looked = bench.run("look", names=sorted(closed.sessions))
    assert {line["session"] for line in looked.lines if line["did"] == "refused"} - {VISITOR} == {"carol"}
    for line in looked.lines:
        if line["did"] == "served":
            assert_same(line["state"], closed.sessions[line["session"]], line["session"])
    back = bench.run("rewind", session="carol", rev="@turn:0")
    assert back.status == 0, trace(back)
    assert back.last("sessions")["sessions"]["carol"]["messages"] == []


def uid_of(store: Path, name: str) -> str:
    """Found in a copy, so that nothing is opened in this place."""
    copy = store.with_name("peeked")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(store, copy)
    with Repository.open(copy) as repository:
        return repository.info(name).uid


def frames_of(store: Path, uid: str) -> tuple[list[frames.Frame], list[frames.Frame]]:
    seed = frames.seed_of(uid)
    journal, mirror = (frames.scan((store / "journals" / f"{uid}.{kind}").read_bytes(), seed) for kind in KINDS)
    return journal.frames, mirror.frames


KINDS = ("journal", "mirror")


def spoil(store: Path, uid: str, which: Callable[[frames.Frame], bool]) -> None:
    """Damage the same records in both files of a journal."""
    for kind, found in zip(KINDS, frames_of(store, uid), strict=True):
        path = store / "journals" / f"{uid}.{kind}"
        data = bytearray(path.read_bytes())
        for frame in filter(which, found):
            data[frame.end - 1] ^= 0x10
        path.write_bytes(data)


def spoil_object(store: Path, digest: bytes) -> None:
    """Flip a bit in an object's payload, wherever the database has it."""
    path = store / "data.mdb"
    data = bytearray(path.read_bytes())
    at, found = data.find(digest), 0
    while at >= 0:
        if data[at + 32 : at + 36] == codec.MAGIC:
            length = int.from_bytes(data[at + 36 : at + 40], "little")
            data[at + 32 + 16 + length] ^= 0x04
            found += 1
        at = data.find(digest, at + 1)
    assert found
    path.write_bytes(data)
