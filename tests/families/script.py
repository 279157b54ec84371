"""What the sessions of these tests say, and what is noted of them; shared by the tests and their child processes."""

from __future__ import annotations

from copy import copy
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from perdure.config import Sampling
from perdure.memory.repository import Repository
from perdure.memory.tokenlog import spans, tokens
from perdure.runtime.engine import Script
from perdure.runtime.models import LoadedModel
from perdure.runtime.runtime import Runtime, load_model
from perdure.runtime.session import Session

SEED = 7
SYSTEM = "You keep a lighthouse, and you answer in the words of one who has seen many ships, in rain, wind and snow. " * 2
FIRST = "Tell me a story about the sea."
NEXT = "And then? Go on, please."
LAST = "Why was that?"
ANSWER = 6
SAMPLING = Sampling(max_tokens=3, temperature=0.8)
OTHER_SEED = 8
OTHER = ("Who built this tower?", "When was that?")
"""What a second session says, after the same system prompt."""


class Moment(NamedTuple):
    """Where a session stands: its last answer, its log, its logits, their digest now and as the commit has it."""

    answer: list[int]
    log: list[int]
    logits: Tensor
    computed: str
    stored: str


def moment(session: Session, answer: tuple[int, ...] = ()) -> Moment:
    logits = session.logits()
    boundary, state = session.warm.boundary, session.head.state
    log = tokens(session.repository.runs(session.head))
    return Moment(list(answer), log, logits, boundary.digest.hex() if boundary else "", state.logits.hex() if state else "")


def begun(rt: Runtime, name: str = "s", *, seed: int = SEED) -> Session:
    """A new session with a long system prompt, whose draws are known beforehand."""
    rt.repository.create(name, rt.recipe, model=rt.model.name, seed=seed)
    return rt.session(name, system=SYSTEM)


def say(session: Session, text: str, most: int) -> Moment:
    return moment(session, session.chat(text, max_tokens=most).tokens)


def broken_off(session: Session, text: str) -> Moment:
    """An answer that its reader leaves after ANSWER tokens, in a process that lives on."""
    with session.stream(text, max_tokens=4 * ANSWER) as stream:
        for _ in islice(stream, ANSWER):
            pass
    return moment(session, stream.tokens)


def from_nothing(session: Session) -> Tensor:
    """The logits that a replay of the session's whole token log gives in an empty state."""
    runs = session.repository.runs(session.head)
    state = session.engine.adapter.new()
    boundary = session.engine.replay(state, Script(tokens(runs)), list(spans(runs)))
    state.release()
    if boundary is None:
        raise ValueError("there is nothing to replay")
    return boundary.logits


def loaded_from(model: Path) -> LoadedModel:
    return load_model(model, "tiny", threads=1, cache=model.parent / "cache")


def runtime(loaded: LoadedModel, store: Path) -> Runtime:
    """A model's first runtime, for which it is mended and tested."""
    repository = Repository.open(store)
    try:
        return Runtime(loaded, repository, SAMPLING, threads=1)
    except BaseException:
        repository.close()
        raise


def beside(rt: Runtime, store: Path, **changes: Any) -> Runtime:
    """A runtime of the same model over another store; `changes` are attributes in which it differs."""
    twin = copy(rt)
    twin.repository = Repository.open(store)
    twin._open = set()
    for name, value in changes.items():
        setattr(twin, name, value)
    return twin
