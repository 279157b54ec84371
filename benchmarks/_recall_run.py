"""One conversation told to a session, and everything that is then asked of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from perdure.config import MemoryOptions, Sampling
from perdure.memory.records import Message
from perdure.runtime import Runtime
from perdure.runtime import open as open_runtime
from perdure.runtime.planning import planned
from perdure.runtime.session import Session
from perdure.runtime.turn import Cost, Turn

from ._recall_data import Conversation, Question, general_questions

WINDOW, BLOCK, SUMMARY = 512, 256, 256
TURNS_AT_ONCE = 8
FREE_TOKENS = 20
MODES = ("kv", "text", "window")
GREEDY = Sampling(max_tokens=FREE_TOKENS, temperature=0.0)


@dataclass
class Scores:
    """Right answers and questions asked, by what was asked and how memory was put back."""

    right: dict[tuple[str, str], list[bool]] = field(default_factory=dict)

    def note(self, what: str, mode: str, right: bool) -> None:
        self.right.setdefault((what, mode), []).append(right)

    def share(self, what: str, mode: str) -> float | None:
        found = self.right.get((what, mode))
        return sum(found) / len(found) if found else None

    def merge(self, other: Scores) -> None:
        for key, found in other.right.items():
            self.right.setdefault(key, []).extend(found)


def opened(model: str, store: Path, cache: Path | None, episode_tokens: int = 64) -> Runtime:
    """A runtime with the small window that recall is measured with."""
    options = MemoryOptions(window=WINDOW, block=BLOCK, summary=SUMMARY, episode_tokens=episode_tokens)
    return open_runtime(model, store, threads=1, memory=options, sampling=GREEDY, cache=cache)


def using(runtime: Runtime, mode: str) -> None:
    """Put memories back as KV, as text, or not at all ("window")."""
    runtime.memory = replace(runtime.memory, recall="off" if mode == "window" else mode)


def tell(session: Session, talk: Conversation, upto: int, tell_progress: Callable[[int], None] = lambda _: None) -> int:
    """Say a conversation, many messages a turn, until the session has absorbed `upto` tokens; returns turns said."""
    said = 0
    while session.head.tokens < upto and said < len(talk.turns):
        batch = talk.turns[said : said + TURNS_AT_ONCE]
        messages = [m for turn in batch for m in (Message("user", turn.user), Message("assistant", turn.assistant))]
        session.chat([*messages, Message("user", "Go on.")], max_tokens=1, recall=False)
        said += len(batch)
        tell_progress(session.head.tokens)
    return said


def ask_everything(session: Session, talk: Conversation, *, free: bool = True) -> Scores:
    """Every paraphrase with a forced beginning and, once a fact, freely; general questions beside."""
    scores, runtime = Scores(), session.runtime
    for mode in MODES:
        using(runtime, mode)
        for kind, group in (("facts", talk.facts), ("keys", talk.keys)):
            for fact in group:
                for number, question in enumerate(fact.questions()):
                    right, answer = answered(session, question, free=free and number == 0)
                    scores.note(kind, mode, right)
                    if answer is not None:
                        scores.note(f"free {kind}", mode, question.holds(answer))
        for question in general_questions():
            scores.note("general", mode, answered(session, question, free=False)[0])
    using(runtime, "kv")
    return scores


def answered(session: Session, question: Question, *, free: bool) -> tuple[bool, str | None]:
    """Whether the forced answer is right word for word, and what is said freely."""
    with asking(session) as fork:
        right = forced(fork, question)
    if not free:
        return right, None
    with asking(session) as fork:
        return right, fork.chat(question.text, max_tokens=FREE_TOKENS).text


class asking:  # noqa: N801 - reads as a phrase
    """A fork of a session that is gone afterwards, so that no question hears another."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Session:
        self._fork = self._session.fork("asked")
        return self._fork

    def __exit__(self, *_: object) -> None:
        self._fork.close()
        self._session.repository.remove("asked")


def forced(session: Session, question: Question) -> bool:
    """Whether, after each forced beginning, every token of the answer is the likeliest."""
    session.acquire()
    said = [Message("user", question.text)]
    turn = Turn(session, planned(session, said), said, GREEDY, Cost())
    turn.prefill()
    chat, engine, state = session.loaded.chat, session.engine, session.warm.state
    for prefix, answer in question.parts:
        boundary = engine.feed(state, chat.text(prefix))
        for token in chat.text(f" {answer}"):
            if int(boundary.logits.argmax()) != token:
                return False
            boundary = engine.feed(state, [token])
    return True


def first_token_ms(session: Session, question: str, mode: str) -> float:
    """Milliseconds from a question to the first token of its answer, the session restored before."""
    using(session.runtime, mode)
    with asking(session) as fork:
        fork.acquire()
        start = time.perf_counter()
        stream = fork.stream(question, max_tokens=2)
        next(stream)
        found = (time.perf_counter() - start) * 1e3
        stream.close()
    using(session.runtime, "kv")
    return found


def step_ms(session: Session) -> float:
    """Median milliseconds of a generated token."""
    with asking(session) as fork:
        state, engine = fork.warm.state, fork.engine
        times = [time.perf_counter()]
        for token in fork.loaded.chat.text(" and the sea was calm" * 8):
            engine.decode(state, token)
            times.append(time.perf_counter())
    return 1e3 * statistics.median(after - before for before, after in pairwise(times))


def resident(kind: str = "VmRSS") -> int:
    """Bytes of this process in memory: "VmRSS" all, "RssAnon" without pages of files, which the system may drop."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{kind}:"))


def chunks_of(count: Callable[[str], int], filler: Iterator[str], topic: str, number: int, tokens: int) -> Sequence[str]:
    """`number` texts of just `tokens` tokens that all speak of one topic."""
    found = []
    for index in range(number):
        text = f"{topic}, part {index + 1}."
        for word in next(filler).split() * 4:
            if count(f" {text} {word}\n") > tokens:
                break
            text = f"{text} {word}"
        found.append(text)
    return found
