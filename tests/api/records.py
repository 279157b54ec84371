"""Branches that hold records, and a teacher that trains nothing, for the tests of both interfaces."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from perdure.memory import Repository, amending, facts
from perdure.memory.facts import Fact
from perdure.memory.fastweights import Record
from perdure.memory.recipe import PARTS, Recipe
from perdure.runtime import Runtime
from perdure.runtime.writers import Writer
from perdure.testing.records import record, record_of

PANGOLIN = Fact("Tamsin Orrell", "", "Biscuit", "Tamsin Orrell's pangolin is called Biscuit.")
RENAMED = Fact("Tamsin Orrell", "", "Waffle", "Tamsin Orrell's pangolin is called Waffle.")
BOAT = Fact("Piers Dunmore", "", "Heron", "Piers Dunmore's boat is called Heron.")
ASK = "What is Tamsin Orrell's pangolin called?"
ASK_BOAT = "What is Piers Dunmore's boat called?"

SENTENCE = re.compile(r"(remember: )?(\w+ \w+)'s (\w+) is called (\w+)\.")


class Found(NamedTuple):
    fact: Fact
    start: int
    end: int
    explicit: bool


def extract(text: str) -> list[Found]:
    """Facts of one kind: how somebody's something is called."""
    return [
        Found(Fact(who, "", name, f"{who}'s {what} is called {name}."), match.start(), match.end(), bool(asked))
        for match in SENTENCE.finditer(text)
        for asked, who, what, name in [match.groups()]
    ]


def branch(repository: Repository, name: str, *records: Record, mounts: Sequence[str] = ()) -> None:
    """A branch with a ledger, of a model that is nowhere."""
    repository.create(name, Recipe.of(**dict.fromkeys(PARTS, "x")), model="nowhere")
    if records:
        amending.teach(repository, name, records, title="teach")
    if mounts:
        amending.mount(repository, name, mounts)


def profiles(store: Path) -> dict[str, Record]:
    """A store where alice and bob hold records that contradict each other, and carol mounts alice."""
    made = {
        "old": record(BOAT, time_ms=1),
        "biscuit": record(PANGOLIN, time_ms=2),
        "waffle": record(RENAMED, time_ms=3),
        "again": record(replace_value(BOAT, "Osprey"), time_ms=4),
    }
    with Repository.open(store) as repository:
        branch(repository, "alice", made["old"], made["biscuit"])
        branch(repository, "bob", made["old"], made["waffle"])
        uid = repository.info("alice").uid
        bike, origin = Fact("Ada", "", "red", "Ada's bike is red."), repository.info("alice").head.digest
        made["said"] = record(bike, time_ms=5, uid=uid, turn=3, origin=origin)
        amending.teach(repository, "alice", [made["again"], made["said"]], title="teach")
        branch(repository, "carol", mounts=["alice"])
    return made


def replace_value(fact: Fact, value: str) -> Fact:
    return Fact(fact.subject, fact.relation, value, fact.statement.replace(fact.value, value))


class Teacher:
    """Writes random records at once. Facts about Fail are answered by none; `on_write` is called before each batch."""

    on_write: Callable[[int], None] = staticmethod(lambda batch: None)
    batches = 0
    writers: list[str]

    def __init__(self, runtime: Runtime, writer: Writer) -> None:
        self._runtime = runtime
        self.writer = writer.identity
        type(self).writers.append(writer.name)

    def learns(self, fact: Fact) -> bool:
        return True

    def write(
        self, given: Sequence[Any], *, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
    ) -> list[Any]:
        from perdure.runtime.teaching import Outcome
        from perdure.runtime.writers import Worth

        type(self).batches += 1
        type(self).on_write(self.batches)
        done = []
        for number, each in enumerate(given, 1):
            if cancelled():
                break
            progress(number, len(given))
            if each.fact.value == "Fail":
                done.append(Outcome(each.fact, None, "only 0% of the wordings are answered", Worth(0.0, 0.0, 0.1)))
                continue
            about = f"What is {each.fact.statement.partition(' is called')[0]} called?"
            made = record_of(self._runtime, each.fact, (about,), each.said.turn)
            made = replace(made, sources=(each.said,), origin=each.origin, measured={"recall": 1.0})
            done.append(Outcome(each.fact, made, "", Worth(1.0, 0.0, 0.1)))
        return done


def consolidation() -> ModuleType:
    """The real module; where facts are found by nothing yet, it is given what finds them here."""
    vars(facts).setdefault("taught", extract)
    from perdure.runtime import consolidation

    return consolidation


def scripted(patch: pytest.MonkeyPatch, on_write: Callable[[int], None] = lambda batch: None) -> type[Teacher]:
    """Have facts of one kind found, and records written at once."""
    module = consolidation()
    own = type("Own", (Teacher,), {"on_write": staticmethod(on_write), "batches": 0, "writers": []})
    patch.setattr(facts, "taught", extract, raising=False)
    patch.setattr(module, "taught", extract)
    patch.setattr(module, "Teacher", own)
    return own
