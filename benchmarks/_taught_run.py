"""Facts taught to a profile, and everything that is then asked in fresh conversations."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from perdure.config import MemoryOptions, Sampling
from perdure.memory.records import Message
from perdure.runtime import Runtime
from perdure.runtime import open as open_runtime
from perdure.runtime.consolidation import Consolidated, consolidate
from perdure.runtime.planning import planned
from perdure.runtime.session import Session
from perdure.runtime.teaching import Teacher
from perdure.runtime.turn import Cost, Turn

from ._recall_run import asking, forced
from ._taught_data import Leaks, Question, Taught
from ._taught_data import Turn as Said

PROFILE = "user:test"
FREE_TOKENS = 20
GREEDY = Sampling(max_tokens=FREE_TOKENS, temperature=0.0)
WHOLE = Sampling(max_tokens=4096, temperature=0.0)
TURNS_AT_ONCE = 8


def opened(model: str, store: Path, cache: Path | None, threads: int) -> Runtime:
    """A runtime whose window no question outgrows."""
    return open_runtime(model, store, threads=threads, memory=MemoryOptions(), sampling=GREEDY, cache=cache)


def tell(session: Session, messages: Sequence[str]) -> None:
    """Say messages, many a turn; the answers are not wanted."""
    for first in range(0, len(messages), TURNS_AT_ONCE):
        batch = messages[first : first + TURNS_AT_ONCE]
        said = [m for text in batch for m in (Message("user", text), Message("assistant", "Thank you, I see."))]
        session.chat([*said, Message("user", "Go on.")], max_tokens=1, recall=False)


def teach(
    runtime: Runtime, name: str, messages: Sequence[str], into: str = PROFILE, *, generic: bool = False
) -> tuple[Consolidated, float]:
    """Say messages in a conversation of their own, and write what they teach; gives that and the seconds it took."""
    with runtime.session(name) as session:
        tell(session, messages)
        start = time.perf_counter()
        found = consolidate(session, into, teacher=Teacher(runtime, generic=generic))
        return found, time.perf_counter() - start


def fresh(runtime: Runtime, name: str, mounts: Sequence[str] = ()) -> Session:
    """An empty conversation that mounts profiles."""
    session = runtime.session(name)
    session.mount(mounts)
    return session


def shares(session: Session, questions: Sequence[Question], *, free: bool = True) -> tuple[float, float]:
    """The shares of questions answered when the beginning is given, and freely (nan where that was not asked)."""
    right, said = [], []
    for question in questions:
        with asking(session) as fork:
            right.append(forced(fork, question))
        if free:
            said.append(question.holds(answer(session, question.text)))
    return _share(right), _share(said)


def answer(session: Session, text: str) -> str:
    with asking(session) as fork:
        return fork.chat(text, max_tokens=FREE_TOKENS).text


def follow_ups(session: Session, facts: Sequence[Taught]) -> float:
    """The share of questions with a pronoun that are answered after a turn that speaks of the person."""
    found = []
    for fact in facts:
        with asking(session) as fork:
            fork.chat([Message("user", fact.mention), Message("assistant", "I see."), Message("user", fact.follow_up.text)])
            found.append(fact.follow_up.holds(fork.messages()[-1].content))
    return _share(found)


def in_context(session: Session, facts: Sequence[Taught]) -> tuple[float, float]:
    """The same questions with the fact put before each as text."""
    asked = [
        Question(f"Context: {fact.statement}\n\nQuestion: {question.text}", question.parts)
        for fact in facts
        for question in fact.questions
    ]
    return shares(session, asked)


def leaks(session: Session, asked: Leaks) -> float:
    """The share of questions that nobody can answer in reply to which a taught value is said."""
    wrong = [value.lower() for value in asked.values]
    return _share([any(value in answer(session, q.text).lower() for value in wrong) for q in asked.questions])


def perplexity(session: Session, turns: Sequence[Said]) -> tuple[float, float]:
    """Of the replies of an ordinary conversation, and the share of turns in which any record was opened."""
    lost: list[float] = []
    opened = 0
    with asking(session) as fork:
        for said in turns:
            fork.acquire()
            message = [Message("user", said.user)]
            made = planned(fork, message)
            opened += made.opening is not None
            fork.copy.begin_turn(message, made.feed, made.keep, {}, made.recall_record(), made.opening_record())
            turn = Turn(fork, made, message, WHOLE, Cost())
            turn.prefill()
            lost += _lost(fork, turn, fork.loaded.chat.text(said.assistant))
            turn.finish("turn")
    return math.exp(statistics.mean(lost)), opened / len(turns)


def _lost(session: Session, turn: Turn, reply: Sequence[int]) -> list[float]:
    """-log p of each token of a reply, which is fed token by token."""
    found = []
    for token in reply:
        boundary = session.warm.boundary
        if boundary is None:
            raise RuntimeError("a forward gave no logits")
        found.append(-float(boundary.logits.log_softmax(-1)[token]))
        turn.take(token)
        turn.feed_last()
    return found


def step_ms(session: Session, question: str, tokens: int = 48) -> tuple[float, int]:
    """Median milliseconds of a generated token in reply to a question, and how many records acted."""
    with asking(session) as fork:
        stream = fork.stream(question, max_tokens=tokens, stop=())
        times = []
        with stream:
            next(stream)
            last = time.perf_counter()
            for _ in stream:
                now = time.perf_counter()
                times.append(now - last)
                last = now
        return 1e3 * statistics.median(times), stream.receipt.opened


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else math.nan
