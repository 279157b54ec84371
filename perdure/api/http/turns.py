"""Generation in worker threads: one thread drives a whole request, the event loop reads what it tells."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from ...runtime.calls import Call, Part
from ...runtime.records import Receipt, Score
from .calling import Asked, parts
from .counting import Clock
from .ports import RuntimePort, SessionPort, StreamPort
from .problems import Unavailable
from .seat import Seat, Seating
from .settings import HttpSettings
from .warm import WarmSessions


class Attached(NamedTuple):
    """Where a request went. `session` is None where nothing is remembered."""

    session: str | None = None
    reconciled: str = "stateless"
    notes: tuple[str, ...] = ()
    note: Mapping[str, Any] | None = None


class Begun(NamedTuple):
    """The turn has a place, and its messages are on disk."""


class Piece(NamedTuple):
    """A piece of the answer's text, with the score of its token where scores were asked for."""

    text: str
    score: Score | None = None


class Finished(NamedTuple):
    text: str
    receipt: Receipt


class Called(NamedTuple):
    """A function that the model calls."""

    call: Call


Spoken = Piece | Called | Finished
Event = Begun | Spoken


class Turn:
    """One request on its way through a worker thread.

    `next` gives Pieces and Called and at last Finished, or raises what the thread raised; by then the session is committed,
    released and free for the next request. `attached` is known once `next` has returned. `cancel` ends the turn soon;
    what was handed out is committed.
    """

    def __init__(self, seating: Seating, asked: Asked) -> None:
        self._seating = seating
        self._asked = asked
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self.attached = Attached()
        self.clock = Clock()
        self._cancelled = threading.Event()
        self._stream: StreamPort | None = None

    async def begun(self) -> None:
        """Wait until the turn has a place; refusals are raised here. Before the first `next`, if at all."""
        if isinstance(event := await self._events.get(), Exception):
            raise event

    async def next(self) -> Spoken:
        event = await self._events.get()
        if isinstance(event, Exception):
            raise event
        return await self.next() if isinstance(event, Begun) else event

    def cancel(self) -> None:
        self._cancelled.set()
        stream = self._stream
        if stream is not None:
            stream.cancel()

    def run(self) -> None:
        """The worker thread's part."""
        try:
            self._tell(self._generate())
        except Exception as error:
            self._tell(error)

    def _generate(self) -> Finished:
        if self._cancelled.is_set():
            self._seating.abandon()
            raise Unavailable("The request was cancelled before it began; send it again.")
        with self._seating.taken() as seat:
            self.attached = Attached(seat.name, seat.reconciled, seat.notes, seat.note)
            with self._opened(seat) as stream:
                self._stream = stream
                self._tell(Begun())
                if self._cancelled.is_set():
                    stream.cancel()
                self._pass_on(stream)
                self._stream = None
            return Finished(stream.text, stream.receipt)

    def _opened(self, seat: Seat) -> StreamPort:
        asked = self._asked
        if asked.prompt is not None:
            return seat.session.complete(asked.prompt, **asked.sampling)
        return seat.session.stream(seat.messages, tools=asked.tools, note=seat.note, **asked.sampling)

    def _pass_on(self, stream: StreamPort) -> None:
        reader = self._asked.reader()
        for chunk in stream:
            told = list(parts(reader, chunk.text))
            if chunk.score is not None:
                said = "".join(part for part in told if isinstance(part, str))
                self._tell(Piece(said, chunk.score))
                told = [part for part in told if isinstance(part, Call)]
            self._tell_parts(told)
        self._tell_parts(parts(reader, "", last=True))

    def _tell_parts(self, told: Iterable[Part]) -> None:
        for part in told:
            self._tell(Called(part) if isinstance(part, Call) else Piece(part))

    def _tell(self, event: Event | Exception) -> None:
        if not isinstance(event, Exception):
            self.clock.told(event.receipt if isinstance(event, Finished) else None)
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)


class Turns:
    """The worker threads of a server and the turns that are under way. `ended` is told of each that has
    ended, `spoken` its session."""

    def __init__(self, runtime: RuntimePort, settings: HttpSettings) -> None:
        self.warm = WarmSessions(runtime, settings.warm_sessions, settings.profiles)
        self._runtime = runtime
        self._workers = ThreadPoolExecutor(settings.workers, thread_name_prefix="perdure-turn")
        self._running: set[Turn] = set()
        self._lock = threading.Lock()
        self.closing = False
        self.spoken: Callable[[str], None] = lambda name: None
        self.ended: Callable[[Turn], None] = lambda turn: None

    def begin(self, seating: Seating, asked: Asked) -> Turn:
        """Begin a turn, or raise SessionBusy at once if its session is answering another request."""
        if self.closing:
            raise Unavailable("The server is stopping; try again when it is back.")
        seating.reserve()
        turn = Turn(seating, asked)
        with self._lock:
            self._running.add(turn)
        self._workers.submit(self._run, turn)
        return turn

    def cancel(self) -> None:
        """Take no more turns and end those under way soon, each with its commit."""
        self.closing = True
        with self._lock:
            running = list(self._running)
        for turn in running:
            turn.cancel()

    @property
    def under_way(self) -> int:
        """How many turns have not ended, those among them that wait for a worker."""
        with self._lock:
            return len(self._running)

    def close(self) -> None:
        """End everything under way and close the sessions opened here. Safe to repeat."""
        self.cancel()
        self._workers.shutdown(wait=True)
        self.warm.close()

    @contextmanager
    def writing(self, name: str) -> Iterator[SessionPort]:
        """A session that exists, under its lease. Raises SessionBusy at once if another request uses it."""
        if self.closing:
            raise Unavailable("The server is stopping; try again when it is back.")
        self.warm.reserve(name)
        with self.reserved(name, create=False) as session:
            yield session

    @contextmanager
    def reserved(self, name: str, *, create: bool) -> Iterator[SessionPort]:
        """The same for a name that is reserved already; afterwards the session is warm, or closed if anything failed."""
        session = None
        try:
            session = self.warm.open(name, create=create)
            session.acquire()
            yield session
        except BaseException:
            self.warm.discard(name, session)
            raise
        self.warm.give_back(name, session)

    def remove(self, name: str) -> None:
        """Delete a session unless it is answering a request."""
        self.warm.reserve(name)
        try:
            self.warm.cool(name)
            self._runtime.repository.remove(name)
        finally:
            self.warm.discard(name)

    def _run(self, turn: Turn) -> None:
        try:
            turn.run()
        finally:
            with self._lock:
                self._running.discard(turn)
            self.ended(turn)
            if turn.attached.session is not None:
                self.spoken(turn.attached.session)
