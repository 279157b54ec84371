"""Where an answer is written: the session a request names, a fork of it, or nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from ...errors import HistoryDiverged, RefChanged, SessionBusy, SessionExists
from ...memory.records import Commit, Message
from ...runtime.calls import CallFormat
from ...runtime.reconcile import Plan, boundary, closest, reconcile
from .ports import RuntimePort, SessionPort
from .problems import ParameterError
from .schemas import ChatRequest, MemoryOptions, OnDivergence
from .settings import HttpSettings
from .warm import WarmSessions


class Target(NamedTuple):
    """The session a request names, None for none. `resends`: the client is one that always sends its whole history."""

    name: str | None
    create: bool = False
    resends: bool = False


class Seat(NamedTuple):
    """A session ready to be written to, and the messages it gets. `name` is None where nothing is remembered.

    `note` is kept with the commit.
    """

    session: SessionPort
    name: str | None
    messages: tuple[Message, ...]
    reconciled: str
    notes: tuple[str, ...] = ()
    note: Mapping[str, Any] | None = None


class Conversing(Protocol):
    """What a request says of where it goes, and says there."""

    @property
    def options(self) -> MemoryOptions: ...

    @property
    def keep_alive(self) -> float | None: ...

    def records(self, form: CallFormat | None) -> list[Message]: ...


def target(body: ChatRequest, headers: Mapping[str, str], settings: HttpSettings, suffix: str | None) -> Target:
    """The session that a request names; the first place that names one wins."""
    options = body.options
    for param, named in (("/conversation", body.conversation), ("/memory/session", options.session)):
        if named is not None:
            if not named:
                raise ParameterError(f"The session name in {param} is empty; give a name or leave it out.", param=param)
            return Target(named, create=options.create)
    if headers.get("X-Session-ID"):
        return Target(headers["X-Session-ID"], create=True)
    alias = next((headers[name] for name in settings.alias_headers if headers.get(name)), None)
    if alias is not None and is_chore(body):
        return Target(None)
    if alias is not None:
        return Target(alias, create=True, resends=True)
    return Target(suffix, create=True)


def is_chore(body: ChatRequest) -> bool:
    """Whether Open WebUI asks for a title, tags or the like: beside the first answer, under the id of the same chat."""
    said = body.messages[0].content
    return len(body.messages) == 1 and said.startswith("### Task:") and "<chat_history>" in said


def stem(name: str) -> str:
    """What the names of a session's forks begin with: short enough for a number to follow."""
    return name[:52]


class Seating:
    """Finds the seat of one request. The target's name must be reserved already; the seat frees what it holds."""

    def __init__(self, runtime: RuntimePort, warm: WarmSessions, body: Conversing | None, target: Target) -> None:
        self._runtime = runtime
        self._warm = warm
        self._incoming = [] if body is None else body.records(runtime.calls)
        self._options = MemoryOptions() if body is None else body.options
        self._keep_alive = None if body is None else body.keep_alive
        self._target = target
        self._name = target.name
        self._held: SessionPort | None = None

    def reserve(self) -> None:
        """Take the target's name, or raise SessionBusy at once."""
        if self._name is not None:
            self._warm.reserve(self._name)

    @contextmanager
    def taken(self) -> Iterator[Seat]:
        """Yield the seat; afterwards the session is warm and released, or closed if anything failed."""
        try:
            seat = self._noted(self._find())
            yield seat
        except BaseException:
            if self._name is not None:
                self._warm.discard(self._name, self._held)
            elif self._held is not None:
                self._held.close()
            raise
        if self._name is not None:
            keep = self._options.keep_alive if self._keep_alive is None else self._keep_alive
            self._warm.give_back(self._name, seat.session, keep)
        else:
            seat.session.close()

    def give_up(self) -> None:
        """Wait no longer for memory for the session. Safe from any thread."""
        held = self._held
        if held is not None:
            held.give_up()

    def _noted(self, seat: Seat) -> Seat:
        """The seat, with what its commit is to keep of the request."""
        return seat

    def abandon(self) -> None:
        """Free the target's name without having taken the seat."""
        if self._name is not None:
            self._warm.discard(self._name)

    def _find(self) -> Seat:
        if self._name is None:
            return self._nowhere("stateless")
        session = self._held = self._warm.open(self._name, create=self._target.create, mounts=self._options.mounts)
        # The history is read under the lease: no other process can move the branch between the plan and the turn.
        session.acquire()
        stored = self._runtime.repository.messages(self._name)
        options = self._options
        plan = reconcile(stored, self._incoming, mode=options.input, resends=self._target.resends)
        if plan.action == "detached" and options.on_divergence is None:
            self._leave(session)
            return self._nowhere("detached", "This request does not continue the conversation; it was not remembered.")
        if plan.action in ("diverged", "detached"):
            return self._diverged(session, reconcile(stored, self._incoming, mode="history"), options.on_divergence)
        return Seat(session, self._name, plan.remainder(len(stored)), plan.action, plan.notes)

    def _diverged(self, session: SessionPort, plan: Plan, choice: OnDivergence | None) -> Seat:
        if choice == "error":
            raise HistoryDiverged(
                f"The messages differ from session {self._name} after its message {plan.common}; "
                "send memory.on_divergence fork or rewind to go on from there."
            )
        return self._rewound(session, plan) if choice == "rewind" else self._forked(session, plan)

    def _rewound(self, session: SessionPort, plan: Plan) -> Seat:
        commit = boundary(self._runtime.repository.log(str(self._name)), plan.limit)
        if commit is None:
            raise HistoryDiverged(
                f"Session {self._name} has no commit before message {plan.common + 1} to rewind to; fork instead."
            )
        session.reset(commit.hex)
        return Seat(session, self._name, plan.remainder(commit.messages), "rewound", plan.notes)

    def _forked(self, session: SessionPort, plan: Plan) -> Seat:
        """Go on in the fork that holds this history already, else in a new one from the last common turn."""
        base = str(self._target.name)
        source, best = closest([(base, plan), *self._forks(base)])
        if best.action == "extended":
            self._leave(session)
            return self._moved(base, source)
        commit = boundary(self._runtime.repository.log(source), best.limit)
        fork = self._fork(session, base, source, commit)
        note = f"The messages differ from session {base}, so the answer went to the new session {self._name}."
        kept = commit.messages if commit is not None else 0
        return Seat(fork, self._name, best.remainder(kept), "forked", (*best.notes, note))

    def _forks(self, base: str) -> Iterator[tuple[str, Plan]]:
        pattern = re.compile(re.escape(stem(base)) + r"-fork-\d+")
        for name in sorted(info.name for info in self._runtime.sessions() if pattern.fullmatch(info.name)):
            yield name, reconcile(self._runtime.repository.messages(name), self._incoming, mode="history")

    def _moved(self, base: str, fork: str) -> Seat:
        self._warm.reserve(fork)
        self._name = fork
        session = self._held = self._warm.open(fork, create=False)
        session.acquire()
        stored = self._runtime.repository.messages(fork)
        plan = reconcile(stored, self._incoming, mode="history")
        if plan.action != "extended":
            raise RefChanged(f"Session {fork} moved while it was being read; try again.")
        note = f"This history belongs to session {fork}, a fork of {base}; the answer went there."
        return Seat(session, fork, plan.remainder(len(stored)), "extended", (*plan.notes, note))

    def _fork(self, session: SessionPort | None, base: str, source: str, commit: Commit | None) -> SessionPort:
        """Leave the session for the next free fork, which is made; nothing in common means one that starts empty."""
        number = 1
        while True:
            name = f"{stem(base)}-fork-{number}"
            number += 1
            try:
                self._warm.reserve(name)
            except SessionBusy:
                continue
            try:
                fork = self._create(source, name, commit)
            except SessionExists:
                self._warm.discard(name)
                continue
            except BaseException:
                self._warm.discard(name)
                raise
            if session is not None:
                self._leave(session)
            self._name, self._held = name, fork
            return fork

    def _create(self, source: str, name: str, commit: Commit | None) -> SessionPort:
        if self._runtime.repository.exists(name):
            raise SessionExists(f"Session {name} exists already.")
        if commit is None:
            return self._warm.make(name, self._options.mounts)
        self._runtime.repository.fork(source, name, commit.hex)
        return self._runtime.session(name, create=False)

    def _leave(self, session: SessionPort) -> None:
        name, self._name, self._held = self._name, None, None
        if name is not None:
            self._warm.give_back(name, session)

    def _nowhere(self, reconciled: str, *notes: str) -> Seat:
        session = self._held = self._runtime.ephemeral()
        return Seat(session, None, tuple(self._incoming), reconciled, notes)
