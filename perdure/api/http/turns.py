"""Generation in worker threads: one thread drives a whole request, the event loop reads what it tells."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from ...errors import Overloaded
from ...runtime.calls import Call, Part
from ...runtime.records import Receipt, Score
from .calling import Asked, parts
from .counting import Clock
from .ports import RuntimePort, SessionPort, StreamPort
from .problems import Unavailable
from .seat import Seat, Seating
from .settings import HttpSettings
from .warm import WarmSessions

LASTING_S = 1.0
"""How long turns last before anything is known of that; each one that ends counts an eighth."""


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

    def __init__(self, seating: Seating, asked: Asked, admit: Callable[[], None]) -> None:
        self._seating = seating
        self._asked = asked
        self._admit = admit
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self.attached = Attached()
        self.clock = Clock()
        self._cancelled = threading.Event()
        self._stream: StreamPort | None = None
        self.work: Future[None] | None = None

    async def begun(self) -> None:
        """Wait until the turn has a place; refusals are raised here. Before the first `next`, if at all."""
        if isinstance(event := await self._events.get(), Exception):
            raise event

    async def next(self) -> Spoken:
        event = await self._events.get()
        if isinstance(event, Exception):
            raise event
        return await self.next() if isinstance(event, Begun) else event

    def refuse(self) -> bool:
        """End the turn if no worker has taken it up yet: its session is free for others at once."""
        if self.work is None or not self.work.cancel():
            return False
        self._cancelled.set()
        self.run()
        return True

    def cancel(self) -> None:
        self._cancelled.set()
        if self.refuse():
            return
        stream = self._stream
        if stream is not None:
            stream.cancel()
        self._seating.give_up()

    def run(self) -> None:
        """The worker thread's part."""
        try:
            self._tell(self._generate())
        except Exception as error:
            self._tell(error)

    def _generate(self) -> Finished:
        self._require_way()
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

    def _require_way(self) -> None:
        """Raises where the turn is not to begin after all, its session's name free again."""
        if self._cancelled.is_set():
            self._seating.abandon()
            raise Unavailable("The request was cancelled before it began, or the server is stopping; send it again.")
        try:
            self._admit()
        except BaseException:
            self._seating.abandon()
            raise

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
    """The worker threads of a tenant and the turns that are under way, of which a bounded number wait. `ended` is told of
    each that has ended, `spoken` its session. `admit` is asked before each begins, and raises what keeps it from that."""

    def __init__(self, runtime: RuntimePort, settings: HttpSettings) -> None:
        self.warm = WarmSessions(runtime, settings.warm_sessions, settings.profiles, settings.keep_alive)
        self._runtime = runtime
        self._threads, self._most = settings.workers, settings.workers + settings.queue
        self._lasting = LASTING_S
        self._workers = ThreadPoolExecutor(settings.workers, thread_name_prefix="perdure-turn")
        self._running: set[Turn] = set()
        self._lock = threading.Lock()
        self.closing = False
        self.spoken: Callable[[str], None] = lambda name: None
        self.ended: Callable[[Turn], None] = lambda turn: None
        self.admit: Callable[[], None] = lambda: None

    def begin(self, seating: Seating, asked: Asked) -> Turn:
        """The same of any request. Raises Overloaded at once if too many wait already."""
        if self.closing:
            raise Unavailable("The server is stopping; try again when it is back.")
        turn = Turn(seating, asked, self.admit)
        with self._lock:
            waiting = len(self._running) - self._threads
            if len(self._running) >= self._most:
                seconds = math.ceil(self._lasting * (waiting + 1) / self._threads)
                raise Overloaded(f"{waiting} requests wait already; try again in a moment.", retry_after=max(1, seconds))
            seating.reserve()
            self._running.add(turn)
        turn.work = self._workers.submit(self._run, turn)
        turn.work.add_done_callback(lambda _: self._forget(turn))
        return turn

    def refuse(self) -> None:
        """Take no more turns; those under way go on, and those that wait for a worker are refused."""
        self.closing = True
        with self._lock:
            running = list(self._running)
        for turn in running:
            turn.refuse()

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
    def writing(self, name: str, keep_alive: float | None = None) -> Iterator[SessionPort]:
        """A session that exists, under its lease; it stays warm as `WarmSessions.give_back` says. Raises SessionBusy at once
        if another request uses it.
        """
        if self.closing:
            raise Unavailable("The server is stopping; try again when it is back.")
        self.warm.reserve(name)
        with self.reserved(name, create=False, keep_alive=keep_alive) as session:
            yield session

    @contextmanager
    def reserved(self, name: str, *, create: bool, keep_alive: float | None = None) -> Iterator[SessionPort]:
        """The same for a name that is reserved already; afterwards the session is warm, or closed if anything failed."""
        session = None
        try:
            session = self.warm.open(name, create=create)
            session.acquire()
            yield session
        except BaseException:
            self.warm.discard(name, session)
            raise
        self.warm.give_back(name, session, keep_alive)

    def remove(self, name: str) -> None:
        """Delete a session unless it is answering a request."""
        self.warm.reserve(name)
        try:
            self.warm.cool(name)
            self._runtime.repository.remove(name)
        finally:
            self.warm.discard(name)

    def _run(self, turn: Turn) -> None:
        began = time.monotonic()
        try:
            turn.run()
        finally:
            self._lasting += (time.monotonic() - began - self._lasting) / 8
            self._forget(turn)
            self.ended(turn)
            if turn.attached.session is not None:
                self.spoken(turn.attached.session)

    def _forget(self, turn: Turn) -> None:
        with self._lock:
            self._running.discard(turn)
