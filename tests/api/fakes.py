"""A runtime in memory that speaks a script: the interface of perdure.runtime without a model."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, Unpack

import numpy as np

from perdure.config import Sampling, SamplingChanges, changed
from perdure.errors import InvalidName, PromptTooLong, RevisionNotFound, SessionBusy, SessionExists, SessionNotFound
from perdure.memory.episodes import Episode
from perdure.memory.events import Event
from perdure.memory.fastweights import Held, Record, Refusal
from perdure.memory.inspecting import EMPTY, Bounded, Episodic, Memory, Working
from perdure.memory.native import Native
from perdure.memory.records import Commit, Message, SessionInfo
from perdure.memory.remembering import Entry
from perdure.runtime.calls import CallFormat
from perdure.runtime.memories import Match, View
from perdure.runtime.records import Chunk, ModelInfo, Receipt
from perdure.runtime.residence import Residence
from perdure.runtime.session_memory import Added
from perdure.stores.base import RefLogEntry
from perdure.testing.encoder import HashedWords

MODEL = ModelInfo("tiny", "/models/tiny", "llama", "float32", 200, 1000, "ab" * 32)


def words(messages: Sequence[Message]) -> int:
    return sum(len(message.content.split()) for message in messages)


class Branch:
    def __init__(self, name: str, number: int, head: Commit, forked_from: str | None = None) -> None:
        self.name, self.number, self.head, self.forked_from = name, number, head, forked_from
        self.writer: object | None = None


class FakeRepository:
    def __init__(self) -> None:
        self.branches: dict[str, Branch] = {}
        self.contents: dict[str, tuple[Message, ...]] = {}
        self.commits: dict[str, Commit] = {}
        self.lock = threading.RLock()
        self.clock = 1_700_000_000_000

    def exists(self, name: str) -> bool:
        return name in self.branches

    def info(self, name: str) -> SessionInfo:
        branch = self.branch(name)
        created = branch.number * 1000
        return SessionInfo(name, str(branch.number), branch.head, MODEL.name, created, created, 512, branch.forked_from)

    def messages(self, rev: str, session: str | None = None) -> list[Message]:
        return list(self.contents[self.resolve(rev, session).hex])

    def log(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]:
        commits = [self.resolve(rev, session)]
        while commits[-1].parents:
            commits.append(self.commits[commits[-1].parents[0].hex()])
        return commits[:limit]

    def heads(self) -> dict[str, bytes]:
        return {name: branch.head.digest for name, branch in list(self.branches.items())}

    def reflog(self, name: str) -> list[RefLogEntry]:
        return []

    def ancestry(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]:
        return self.log(rev, session=session, limit=limit)

    def sessions(self) -> list[SessionInfo]:
        return [self.info(name) for name in list(self.branches)]

    def bounded(self, commit: Commit) -> Bounded:
        found = self.inspect(commit)
        return Bounded(found.working, found.summary)

    def inspect(self, commit: Commit) -> Memory:
        working = Working(commit.tokens, 0, commit.tokens, 0, 0, commit.tokens, 0, 0, 0)
        return Memory(working, Episodic(0, 0, 0, 0, {}, 0, 0), EMPTY)

    def events(self, commit: Commit) -> list[Event]:
        return []

    def remembered(self, commit: Commit, start: int = 0) -> list[Entry]:
        return []

    def beginning(self, commit: Commit, digits: str) -> list[Entry]:
        return []

    def episodes(self, digests: Iterable[bytes]) -> list[Episode]:
        return []

    def request(self, commit: Commit) -> dict[str, Any]:
        return {}

    def unfinished(self, name: str) -> None:
        return None

    def trace(self, commit: Commit) -> None:
        return None

    def ledger(self, commit: Commit) -> list[Held]:
        return []

    def refusals(self, commit: Commit) -> list[Refusal]:
        return []

    def records(self, digests: Iterable[bytes]) -> list[Record]:
        return []

    def natives(self, commit: Commit) -> list[Native]:
        return []

    def uids(self) -> dict[str, str]:
        return {info.uid: info.name for info in self.sessions()}

    def stored(self, digests: Iterable[bytes]) -> set[bytes]:
        return {digest for digest in digests if digest.hex() in self.commits}

    def fork(self, src: str, new: str, at: str | None = None) -> SessionInfo:
        with self.lock:
            head = self.resolve(at, src) if at else self.branch(src).head
            self.add(new, head, src)
            return self.info(new)

    def remove(self, name: str) -> None:
        self.branch(name)
        del self.branches[name]

    def resolve(self, rev: str, session: str | None = None) -> Commit:
        if rev in self.branches:
            return self.branches[rev].head
        found = re.fullmatch(r"@turn:(\d+)", rev)
        if found and session:
            return next(c for c in self.log(session) if c.turn == int(found[1]))
        if rev in self.commits:
            return self.commits[rev]
        raise RevisionNotFound(f"Nothing is called {rev}.")

    def branch(self, name: str) -> Branch:
        if name not in self.branches:
            raise SessionNotFound(f"There is no session {name}.")
        return self.branches[name]

    def add(self, name: str, head: Commit, forked_from: str | None = None) -> Branch:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", name):
            raise InvalidName(f"A session cannot be called {name!r}; use letters, digits, dot, dash and underscore.")
        if name in self.branches:
            raise SessionExists(f"Session {name} exists already.")
        self.branches[name] = Branch(name, len(self.commits) + len(self.branches), head, forked_from)
        return self.branches[name]

    def commit(self, parent: Commit | None, messages: Sequence[Message], kind: str, reason: str, turn: int) -> Commit:
        with self.lock:
            self.clock += 1000
            digest = hashlib.sha256(repr((parent and parent.hex, messages, kind, self.clock)).encode()).digest()
            parents = (parent.digest,) if parent else ()
            size = (words(messages), len(messages), turn)
            made = Commit(digest, parents, b"\0" * 32, kind, reason, "user", self.clock, *size, f"{kind} {turn}")
            self.commits[made.hex], self.contents[made.hex] = made, tuple(messages)
            return made


class FakeMemory:
    """The memory of a session that remembers nothing, and takes in nothing."""

    def __init__(self, session: FakeSession) -> None:
        self._session = session

    def get(self, name: str) -> Episode:
        raise RevisionNotFound(f"There is no memory {name}.")

    def edit(self, name: str, text: str, pinned: bool | None = None) -> Episode:
        return self.get(name)

    def pin(self, name: str, pinned: bool = True) -> Episode:
        return self.get(name)

    def remove(self, name: str) -> Episode:
        return self.get(name)

    def add(self, parts: Iterable[tuple[str, str]], **_: Any) -> Added:
        return Added(0, 0, self._session.head, True)


class FakeMemories:
    """Finds nothing."""

    encoder = HashedWords()

    def forget(self) -> None: ...

    def everything(self, commits: Iterable[Commit]) -> View:
        return View(None, [], np.empty(0, np.int64))

    def search(self, view: View, question: str, k: int = 8, threshold: float = 0.35) -> list[Match]:
        return []


class FakeStream:
    def __init__(self, session: FakeSession, messages: Sequence[Message], sampling: Sampling) -> None:
        self._session, self._messages, self._sampling = session, messages, sampling
        self._cancelled = threading.Event()
        self._receipt: Receipt | None = None
        self.text = ""
        session.runtime.streams.append(self)

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set() and self._receipt is None

    @property
    def receipt(self) -> Receipt:
        if self._receipt is None:
            raise RuntimeError("the stream has not ended")
        return self._receipt

    def cancel(self) -> None:
        self._cancelled.set()

    def __iter__(self) -> Iterator[Chunk]:
        reason, count = "stop", 0
        for piece in self._session.runtime.answer([*self._session.messages(), *self._messages]):
            if self._cancelled.is_set() or count == self._sampling.max_tokens:
                reason = "cancelled" if self._cancelled.is_set() else "length"
                break
            self.text, count = self.text + piece, count + 1
            yield Chunk(piece, count)
        self._receipt = self._session.finish(self._messages, self.text, reason, count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.cancel()


class FakeSession:
    def __init__(self, runtime: FakeRuntime, branch: Branch | None) -> None:
        self.runtime, self.branch, self.closed = runtime, branch, False
        self.name = branch.name if branch else None

    @property
    def head(self) -> Commit:
        return self.branch.head if self.branch else self.runtime.root

    @property
    def memory(self) -> FakeMemory:
        return FakeMemory(self)

    def stream(
        self,
        message: Sequence[Message],
        /,
        tools: Sequence[Mapping[str, Any]] = (),
        note: Mapping[str, Any] | None = None,
        **options: Unpack[SamplingChanges],
    ) -> FakeStream:
        if self.closed:
            raise RuntimeError("the session is closed")
        settings = changed(Sampling(), options)
        self.runtime.sampled.append({name: value for name, value in options.items() if value is not None})
        if words(self.messages()) + words(message) > MODEL.context_length:
            raise PromptTooLong(f"The prompt has more than {MODEL.context_length} tokens; shorten it.")
        self._write()
        return FakeStream(self, message, settings)

    def complete(self, prompt: str, /, **options: Unpack[SamplingChanges]) -> FakeStream:
        return self.stream([Message("user", prompt)], **options)

    def finish(self, messages: Sequence[Message], text: str, reason: str, count: int) -> Receipt:
        before = self.messages()
        receipt = Receipt("", "", "", words(before), prefilled=words(messages), generated=count, finish_reason=reason)
        if self.branch is None:
            return receipt
        parent, content = self.head, (*before, *messages, Message("assistant", text))
        self.branch.head = self.runtime.repository.commit(parent, content, "turn", reason, parent.turn + 1)
        return replace(receipt, session=self.branch.name, commit=self.head.hex, parent=parent.hex)

    def teach(self, new: Sequence[Record], gone: Collection[bytes], title: str) -> Commit:
        return self.head

    def mount(self, names: Sequence[str]) -> Commit:
        return self.head

    def messages(self) -> list[Message]:
        return list(self.runtime.repository.contents[self.head.hex])

    def log(self) -> list[Commit]:
        return self.runtime.repository.log(self.head.hex)

    def fork(self, name: str, at: str | None = None) -> FakeSession:
        return self.runtime.open(self.runtime.repository.fork(str(self.name), name, at).name)

    def reset(self, rev: str) -> None:
        self._write()
        if self.branch is not None:
            self.branch.head = self.runtime.repository.resolve(rev, self.name)

    @property
    def loaded_bytes(self) -> int | None:
        return 0

    def give_up(self) -> None: ...

    def acquire(self) -> None: ...

    def release(self) -> None:
        if self.branch is not None and self.branch.writer is self:
            self.branch.writer = None

    def close(self) -> None:
        self.release()
        self.closed = True
        self.runtime.closed.append(self.name)

    def _write(self) -> None:
        if self.branch is None:
            return
        if self.branch.writer not in (None, self):
            raise SessionBusy(f"Session {self.name} is being written by process 4711; wait for it.")
        self.branch.writer = self


class FakeRuntime:
    """`answer` scripts the pieces of every answer from the whole conversation; the lists record what was done."""

    def __init__(self) -> None:
        self.model = MODEL
        self.calls: CallFormat | None = None
        self.repository = FakeRepository()
        self.memories = FakeMemories()
        self.residence = Residence(None)
        self.root = self.repository.commit(None, (), "root", "stop", 0)
        self.answer: Callable[[list[Message]], Iterator[str]] = parrot
        self.sampled: list[dict[str, Any]] = []
        self.streams: list[FakeStream] = []
        self.opened: list[str | None] = []
        self.closed: list[str | None] = []

    def count(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        return words(messages) + len(tools)

    def spelling(self, commit: Commit) -> Callable[[int, int], list[str] | None]:
        return lambda start, end: None

    def session(self, name: str, *, create: bool = True) -> FakeSession:
        with self.repository.lock:
            if create and not self.repository.exists(name):
                self.repository.add(name, self.root)
        return self.open(name)

    def open(self, name: str) -> FakeSession:
        self.opened.append(name)
        return FakeSession(self, self.repository.branch(name))

    def create(self, name: str, *, about: Mapping[str, Any], mounts: Sequence[str] = ()) -> SessionInfo:
        self.repository.add(name, self.root)
        return self.repository.info(name)

    def ephemeral(self) -> FakeSession:
        self.opened.append(None)
        return FakeSession(self, None)

    def sessions(self) -> list[SessionInfo]:
        return self.repository.sessions()

    def say(self, name: str, *turns: str) -> None:
        """Hold a conversation: user turns, each answered."""
        session = self.session(name)
        for turn in turns:
            list(session.stream([Message("user", turn)]))
        session.close()

    def talk(self, name: str) -> list[tuple[str, str]]:
        return [(m.role, m.content) for m in self.repository.messages(name)]


def parrot(messages: list[Message]) -> Iterator[str]:
    """Two pieces that depend on the whole conversation's length, so that a doubled one shows."""
    yield f"echo {len(messages)}: "
    yield messages[-1].content


def failing(error: Exception, after: int) -> Callable[[list[Message]], Iterator[str]]:
    """An answer that breaks off with `error` after some pieces."""

    def pieces(_: list[Message]) -> Iterator[str]:
        for number in range(after):
            yield f"piece {number} "
        raise error

    return pieces
