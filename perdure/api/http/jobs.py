"""Long work on sessions in worker threads, each with its progress; nothing of it outlives the process."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from ...errors import NotFound, PerdureError, SessionBusy
from .ports import SessionPort
from .problems import Unavailable, error_object
from .turns import Turns

log = logging.getLogger("perdure.http")

KEPT = 256
"""Jobs that can be asked about; the oldest that have ended go first."""

WORKERS = 2

EVERY_S = 0.5
"""A job's progress is told no oftener, except for its end."""

PATIENCE = 60.0
"""Seconds that a request waits for a job to give way."""

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class Done(NamedTuple):
    """What a job came to; `whole` if nothing was left out because of a cancel."""

    result: Mapping[str, Any]
    whole: bool


Work = Callable[[SessionPort, Progress, Cancelled], Done]
"""What a job does with its session. It may commit often, and asks between commits whether to go on."""


class Job:
    """Work on one session. `cancel` ends it soon; what is committed by then stays.

    `beside` is another session that it writes to. `yields`: it ends when somebody wants one of the two.
    """

    def __init__(
        self,
        kind: str,
        session: str,
        work: Work | None,
        *,
        create: bool = False,
        beside: str | None = None,
        yields: bool = False,
    ) -> None:
        self.id = f"job_{uuid.uuid4().hex}"
        self.kind = kind
        self.session: str | None = session
        self.names: tuple[str, ...] = tuple(dict.fromkeys((session, beside or session)))
        self.yields = yields
        self.gave_way = False
        self.ended = threading.Event()
        self.error: Exception | None = None
        self._create = create
        self._work = work
        self._cancelled = threading.Event()
        self._status = "queued"
        self._created = int(time.time())
        self._done = self._total = 0
        self._told = 0.0
        self._moved: Callable[[int, int], None] = lambda done, total: None
        self._result: Mapping[str, Any] | None = None

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def status(self) -> str:
        """ "queued", "running", "completed", "cancelled" or "failed"."""
        return self._status

    @property
    def tokens(self) -> int:
        """Those that it read in, where it says so."""
        return int((self._result or {}).get("tokens", 0))

    def run(self, turns: Turns, moved: Callable[[int, int], None] = lambda done, total: None) -> None:
        """The worker thread's part; `moved` is told now and then how far it is. The session's name must be reserved; it is
        free again at the end.
        """
        self._moved = moved
        try:
            self._status = "running"
            done = self._do(turns)
            self._result = done.result
            self._status = "completed" if done.whole else "cancelled"
        except Exception as error:
            if not isinstance(error, PerdureError):
                log.exception("job %s: %s of %s failed", self.id, self.kind, self.session)
            self.error = error
            self._status = "failed"

    def _do(self, turns: Turns) -> Done:
        work, self._work = self._work, None
        with turns.reserved(str(self.session), create=self._create) as session:
            return work(session, self._progress, self._cancelled.is_set) if work is not None else Done({}, True)

    def _progress(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        if done < total and time.monotonic() - self._told < EVERY_S:
            return
        self._told = time.monotonic()
        self._moved(done, total)

    def body(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "job",
            "kind": self.kind,
            "created_at": self._created,
            "session": self.session,
            "status": self._status,
            "progress": {"done": self._done, "total": self._total or None},
            "result": self._result,
            "error": None if self.error is None else error_object(self.error),
        }


class Chore(Job):
    """Work that needs no session's lease, be it `about` one or about the whole store."""

    def __init__(self, kind: str, chore: Callable[[Progress, Cancelled], Done], *, about: str | None = None) -> None:
        super().__init__(kind, about or "", None)
        self.session = about
        self.names = ()
        self._chore = chore

    def _do(self, turns: Turns) -> Done:
        return self._chore(self._progress, self._cancelled.is_set)


class Jobs:
    """The jobs of one application, in threads of their own so that answers need not wait. `begun` and `ended` are told of
    each, `moved` how far it is.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="perdure-job")
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self.begun: Callable[[Job], None] = lambda job: None
        self.ended: Callable[[Job], None] = lambda job: None
        self.moved: Callable[[Job, int, int], None] = lambda job, done, total: None

    @property
    def running(self) -> int:
        """How many jobs have not ended."""
        with self._lock:
            return sum(not job.ended.is_set() for job in self._jobs.values())

    def start(self, job: Job) -> Job:
        """Begin a job, or raise SessionBusy at once if a session that it needs is in use."""
        self._admit(job)
        self._workers.submit(self._run, job)
        return job

    def run(self, job: Job) -> Job:
        """The same in the caller's thread: it has ended when this returns."""
        self._admit(job)
        self._run(job)
        return job

    def _admit(self, job: Job) -> None:
        if self._turns.closing:
            raise Unavailable("The server is stopping; try again when it is back.")
        self._reserve(job.names)
        with self._lock:
            self._jobs[job.id] = job
            ended = [each.id for each in self._jobs.values() if each.ended.is_set()]
            for name in ended[: max(0, len(self._jobs) - KEPT)]:
                del self._jobs[name]

    def _reserve(self, names: Sequence[str]) -> None:
        """All of the names or none. Raises SessionBusy."""
        taken: list[str] = []
        try:
            for name in names:
                self._turns.warm.reserve(name)
                taken.append(name)
        except SessionBusy:
            for name in taken:
                self._turns.warm.discard(name)
            raise

    def _run(self, job: Job) -> None:
        if self._turns.closing:
            job.cancel()
        self.begun(job)
        try:
            job.run(self._turns, partial(self.moved, job))
        finally:
            for name in job.names[1:]:
                self._turns.warm.discard(name)
            self.ended(job)
            job.ended.set()

    def make_way(self, name: str | None) -> None:
        """Cancel a job that yields this session to whoever wants it, and wait for its end."""
        job = self.yielding(name)
        if job is not None:
            job.gave_way = True
            job.cancel()
            job.ended.wait(PATIENCE)

    def yielding(self, name: str | None) -> Job | None:
        """The job that has this session and would yield it."""
        with self._lock:
            found = (job for job in self._jobs.values() if job.yields and name in job.names and not job.ended.is_set())
            return next(found, None)

    def get(self, name: str) -> Job:
        """One job. Raises NotFound."""
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise NotFound(f"There is no job {name[:80]}; a job is forgotten after {KEPT} others and when the server stops.")
        return job

    def all(self) -> list[Job]:
        """Those that can be asked about, the oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def close(self) -> None:
        """Cancel everything and wait for its end. Safe to repeat."""
        self.cancel()
        self._workers.shutdown(wait=True)

    def cancel(self) -> None:
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
