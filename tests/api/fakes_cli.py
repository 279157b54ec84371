"""A scripted runtime and history for the command line's tests: no model, no disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from perdure.api import wiring
from perdure.config import MemoryOptions
from perdure.errors import AmbiguousRevision, RevisionNotFound, SessionExists, SessionNotFound
from perdure.memory.fastweights import Held, Record, Refusal
from perdure.memory.graph import Node
from perdure.memory.inspecting import EMPTY, Episodic, Memory, working
from perdure.memory.recipe import PARTS, Recipe
from perdure.memory.records import Checkpoint, Commit, Diff, FsckReport, GcReport, Message, Problem, SessionInfo, Tag
from perdure.runtime.records import Chunk, ModelInfo, Receipt
from perdure.stores.base import RefLogEntry

MODEL = ModelInfo("tiny", "models/tiny", "llama", "float32", 2048, 1_000_000, "ab" * 32)
TIME = 1_790_000_000_000


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


@dataclass
class State:
    """One commit and the conversation that it holds."""

    commit: Commit
    messages: tuple[Message, ...]


def root(name: str) -> State:
    commit = Commit(digest("root", name), (), b"\x07" * 32, "root", "", "", TIME, 0, 0, 0, "")
    return State(commit, ())


def after(state: State, user: str, answer: str, reason: str = "stop") -> State:
    """The state after one more turn, one token for each word."""
    told = user.split()
    tokens = state.commit.tokens + len(told)
    question = Message("user", user, state.commit.tokens, tokens, TIME)
    reply = Message("assistant", answer, tokens, tokens + len(answer.split()), TIME)
    messages = (*state.messages, question, reply)
    name = digest(state.commit.digest, user, answer)
    commit = replace(
        state.commit,
        digest=name,
        parents=(state.commit.digest,),
        kind="turn",
        reason=reason,
        tokens=reply.end,
        messages=len(messages),
        turn=state.commit.turn + 1,
        title=user,
        metrics={"prefilled": len(told), "restore_ms": 0.5},
    )
    return State(commit, messages)


@dataclass
class FakeHistory:
    """What a repository answers, over a dict of sessions."""

    branches: dict[str, list[State]] = field(default_factory=dict)
    marked: dict[str, Tag] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    lost: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    fails: Exception | None = None
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def __enter__(self) -> FakeHistory:
        if self.fails is not None:
            raise self.fails
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def exists(self, name: str) -> bool:
        return name in self.branches

    def unfinished(self, name: str) -> None:
        return None

    def trace(self, commit: Commit) -> None:
        return None

    def messages_of(self, commit: Commit) -> list[Message]:
        return list(self._state(commit.hex).messages)

    def walk(self, starts: Iterable[Commit], limit: int | None = None) -> list[Commit]:
        ends = {start.digest for start in starts}
        lines = [(line, at) for line in self.branches.values() for at in range(len(line)) if line[at].commit.digest in ends]
        found = {state.commit.digest: state.commit for line, at in lines for state in line[: at + 1]}
        return sorted(found.values(), key=lambda commit: -commit.turn)[:limit]

    def nodes(self, name: str | None, listed: Iterable[Commit]) -> list[Node]:
        heads = {each: line[-1].commit.digest for each, line in sorted(self.branches.items())}
        return [
            Node(commit, tuple(each for each, digest in heads.items() if digest == commit.digest), (), {"working": 2048})
            for commit in listed
        ]

    def recipe(self, commit: Commit) -> Recipe:
        return Recipe.of(**dict.fromkeys(PARTS, "x"))

    def present(self, commit: Commit) -> list[Checkpoint]:
        return []

    def inspect(self, commit: Commit) -> Memory:
        return Memory(working(commit, [], []), Episodic(0, 0, 0, 0, {}, 0, 0), EMPTY)

    def records(self, digests: Iterable[bytes]) -> list[Record]:
        return []

    def uids(self) -> dict[str, str]:
        return {}

    def stored(self, digests: Iterable[bytes]) -> set[bytes]:
        return set()

    def ledger(self, commit: Commit) -> list[Held]:
        return []

    def refusals(self, commit: Commit) -> list[Refusal]:
        return []

    def sessions(self) -> list[SessionInfo]:
        return [self.info(name) for name in sorted(self.branches)]

    def info(self, name: str) -> SessionInfo:
        return SessionInfo(name, f"uid-{name}", self._line(name)[-1].commit, "tiny", TIME, TIME, 4096)

    def resolve(self, rev: str, session: str | None = None) -> Commit:
        return self._state(rev, session).commit

    def log(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]:
        return [state.commit for state in reversed(self._line(rev))][:limit]

    def reflog(self, name: str) -> list[RefLogEntry]:
        commits = [None, *(state.commit.digest for state in self._line(name))]
        return [RefLogEntry(n, commits[n], commits[n + 1], TIME, "turn") for n in range(len(commits) - 1)]

    def messages(self, rev: str, session: str | None = None) -> list[Message]:
        return list(self._state(rev, session).messages)

    def fork(self, src: str, new: str, at: str | None = None) -> SessionInfo:
        line = self._line(src)
        if new in self.branches:
            raise SessionExists(f"A session called {new!r} exists already; choose another name.")
        target = self._state(at or "HEAD", src)
        self.branches[new] = line[: line.index(target) + 1]
        return self.info(new)

    def diff(self, a: str, b: str) -> Diff:
        base, head = self._state(a), self._state(b)
        pairs = zip(base.messages, head.messages, strict=False)
        same = next((n for n, (x, y) in enumerate(pairs) if x != y), min(len(base.messages), len(head.messages)))
        tokens = base.messages[same - 1].end if same else 0
        return Diff(base.commit, head.commit, None, tokens, same, base.messages[same:], head.messages[same:], 1, 2, 3)

    def reset(self, name: str, rev: str) -> SessionInfo:
        line = self._line(name)
        self.branches[name] = line[: line.index(self._state(rev, name)) + 1]
        return self.info(name)

    def tag(self, name: str, rev: str, session: str | None = None) -> Tag:
        self.marked[name] = Tag(name, self.resolve(rev, session), session or "")
        return self.marked[name]

    def tags(self) -> list[Tag]:
        return list(self.marked.values())

    def untag(self, name: str) -> None:
        if self.marked.pop(name, None) is None:
            raise RevisionNotFound(f"There is no tag {name!r}. `perdure tag` lists them.")

    def remove(self, name: str) -> None:
        del self.branches[name]

    def export(self, session: str, file: Path, progress: Callable[[int, int], None] | None = None) -> int:
        self._state(session)
        if progress is not None:
            progress(1, 1)
        return file.write_bytes(b"bundle")

    def import_bundle(
        self, file: Path, name: str | None = None, progress: Callable[[int, int], None] | None = None
    ) -> SessionInfo:
        chosen = name or file.stem
        self.branches[chosen] = [root(chosen)]
        return self.info(chosen)

    def verify(self, name: str, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
        self._line(name)
        return list(self.problems)

    def fsck(self, *, repair: bool = False, progress: Callable[[int, int], None] | None = None) -> FsckReport:
        problems = tuple(found._replace(mended=repair) for found in self.problems)
        return FsckReport(12, 34_567, 2, problems, self.lost)

    def gc(self, *, dry_run: bool = False, expire_days: float = 30.0, compact: bool = False) -> GcReport:
        self.calls.append(("gc", (dry_run, expire_days, compact)))
        return GcReport(3, 4_500_000, 9, 1, dry_run, 2_000_000 if compact else 0)

    def _line(self, name: str) -> list[State]:
        if name not in self.branches:
            raise SessionNotFound(f"There is no session {name!r}. `perdure ls` lists them.")
        return self.branches[name]

    def _state(self, rev: str, session: str | None = None) -> State:
        base, _, back = rev.partition("~")
        base = session or "" if base in ("", "HEAD") else base
        if base in self.branches:
            return self._line(base)[-1 - (int(back or 1) if "~" in rev else 0)]
        states = [state for line in self.branches.values() for state in line]
        found = {state.commit.digest: state for state in states if len(base) >= 8 and state.commit.hex.startswith(base)}
        if len(found) > 1:
            raise AmbiguousRevision(f"{rev!r} names several commits; give more digits.")
        if not found:
            raise RevisionNotFound(f"No session, tag or commit is called {rev!r}.")
        return next(iter(found.values()))


class FakeStream:
    """Streams the answer's words; `on_word` is called before each, which is where a test presses Ctrl-C."""

    def __init__(self, session: FakeSession, message: str, options: Mapping[str, Any]) -> None:
        self._session, self._message = session, message
        self._words = session.runtime.answer(message).split(" ")[: options.get("max_tokens") or None]
        self._cancelled = False
        self.text = ""
        self._pieces = self._run()

    @property
    def receipt(self) -> Receipt:
        assert self._receipt is not None
        return self._receipt

    def cancel(self) -> None:
        self._cancelled = True

    def __iter__(self) -> Iterator[Chunk]:
        return self._pieces

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pieces.close()

    def _run(self) -> Generator[Chunk, None, None]:
        for number, word in enumerate(self._words):
            self._session.runtime.on_word(number)
            if self._cancelled:
                break
            piece = word if number == 0 else f" {word}"
            self.text += piece
            yield Chunk(piece, number)
        self._receipt = self._session.commit(self._message, self.text, "cancelled" if self._cancelled else "stop")


class FakeSession:
    def __init__(self, runtime: FakeRuntime, name: str) -> None:
        self.runtime = runtime
        self.name = name
        self.closed = False
        self.recipe = {"weights": "w"}

    @property
    def repository(self) -> FakeHistory:
        return self.runtime.repository

    @property
    def line(self) -> list[State]:
        return self.runtime.repository.branches[self.name]

    @property
    def head(self) -> Commit:
        return self.line[-1].commit

    def stream(self, message: str, **options: Any) -> FakeStream:
        self.runtime.asked.append((self.name, message, options))
        if isinstance(self.runtime.fails, Exception):
            raise self.runtime.fails
        return FakeStream(self, message, options)

    def commit(self, message: str, text: str, reason: str) -> Receipt:
        parent = self.head
        self.line.append(after(self.line[-1], message, text, reason))
        words = len(text.split())
        prefilled = len(message.split())
        return Receipt(
            session=self.name,
            commit=self.head.hex,
            parent=parent.hex,
            restored=parent.tokens,
            prefilled=prefilled,
            generated=words,
            restore_ms=4.06,
            bytes_read=18_700_000,
            bytes_written=1_500_000,
            finish_reason=reason,
            notes=self.runtime.turn_notes,
        )

    def messages(self) -> list[Message]:
        return list(self.line[-1].messages)

    def log(self) -> list[Commit]:
        return self.runtime.repository.log(self.name)

    def fork(self, name: str, at: str | None = None) -> FakeSession:
        self.runtime.repository.fork(self.name, name, at)
        return FakeSession(self.runtime, name)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
        return self.runtime.repository.verify(self.name, progress)

    def undo(self) -> None:
        self.runtime.repository.reset(self.name, "HEAD~1")

    def mount(self, names: Sequence[str]) -> Commit:
        self.runtime.mounted.append((self.name, tuple(names)))
        return self.head

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeRuntime:
    repository: FakeHistory
    model: ModelInfo = MODEL
    fails: Exception | None = None
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    opened: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answer: Callable[[str], str] = lambda message: f"You said {message}"
    on_word: Callable[[int], None] = lambda number: None
    turn_notes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    served: list[tuple[str, int, bool]] = field(default_factory=list)
    consolidate_idle: list[float | None] = field(default_factory=list)
    cors_origins: list[tuple[str, ...]] = field(default_factory=list)
    memory_options: list[MemoryOptions | None] = field(default_factory=list)
    speculates: list[bool] = field(default_factory=list)
    spared: list[int] = field(default_factory=list)
    """How many runtimes had been opened when memory was to be spared."""
    mounted: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    profiles: list[tuple[str, ...]] = field(default_factory=list)
    recipe: dict[str, str] = field(default_factory=lambda: {"weights": "w"})

    def __enter__(self) -> FakeRuntime:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def session(self, name: str, **options: Any) -> FakeSession:
        self.opened.append((name, options))
        self.repository.branches.setdefault(name, [root(name)])
        return FakeSession(self, name)


def family() -> FakeHistory:
    """alice with two turns, and bob who left her after the first."""
    start = root("alice")
    first = after(start, "My dog is called Bruno.", "A fine name.")
    alice = [start, first, after(first, "What is his name?", "Bruno.")]
    bob = [start, first, after(first, "Tell me a joke.", "No.\nReally not.")]
    return FakeHistory({"alice": alice, "bob": bob})


def install(patch: pytest.MonkeyPatch, runtime: FakeRuntime) -> None:
    """Put the fakes where the commands get the real parts."""

    def open_repository(named: Path | None, *, create: bool = False) -> FakeHistory:
        return runtime.repository

    def open_runtime(
        model: str,
        named: Path | None,
        *,
        weights: str = "stored",
        checkpoint_bytes: int | None = None,
        memory: MemoryOptions | None = None,
        device_bytes: int | None = None,
        speculate: bool = True,
        progress: object = None,
    ) -> FakeRuntime:
        if isinstance(runtime.fails, LookupError):
            raise runtime.fails
        runtime.memory_options.append(memory)
        runtime.speculates.append(speculate)
        return runtime

    def serve(
        served: object,
        host: str,
        port: int,
        *,
        insecure: bool,
        consolidate_idle: float | None,
        profiles: tuple[str, ...],
        cors_origins: tuple[str, ...],
        started: Callable[[str], None],
        serving: object,
        told: object,
    ) -> None:
        runtime.served.append((host, port, insecure))
        runtime.profiles.append(profiles)
        runtime.cors_origins.append(cors_origins)
        runtime.consolidate_idle.append(consolidate_idle)
        started(f"http://{host}:{port}")

    def measure(measured: object, *, progress: object = None) -> Sequence[Mapping[str, Any]]:
        return [{"context": 512, "cold ms": 40.25, "resumed ms": 3.5}]

    def pull_model(name: str, *, accept_terms: bool, progress: Callable[[str, int, int], None]) -> Path:
        progress("download", 1, 2)
        progress("download", 2, 2)
        return Path("models") / name

    patch.setattr(wiring, "store_path", lambda named: Path(os.curdir))
    patch.setattr(wiring, "open_repository", open_repository)
    patch.setattr(wiring, "open_runtime", open_runtime)
    patch.setattr(wiring, "pull_model", pull_model)
    patch.setattr(wiring, "pulled_models", lambda: [wiring.PulledModel("tiny", "models/tiny", 2_000_000)])
    patch.setattr(wiring, "spare_memory", lambda: runtime.spared.append(len(runtime.memory_options)))
    patch.setattr(wiring, "serve", serve)
    patch.setattr(wiring, "measure_resume", measure)


def long() -> FakeHistory:
    """alice with more commits than a pipe holds."""
    line = [root("alice")]
    for number in range(3000):
        line.append(after(line[-1], f"question {number} " + "and " * 20, "yes"))
    return FakeHistory({"alice": line})
