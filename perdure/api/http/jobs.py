"""Documents taken in by worker threads, each with its progress; nothing of it outlives the process."""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...errors import NotFound
from .problems import Unavailable, error_object
from .turns import Turns

KEPT = 256
"""Jobs that can be asked about; the oldest that have ended go first."""

WORKERS = 2

Parts = Sequence[tuple[str, str]]


class Job:
    """Documents on their way into one session's memory. `cancel` ends it between two commits; what is committed stays."""

    def __init__(self, session: str, parts: Parts, *, create: bool) -> None:
        self.id = f"job_{uuid.uuid4().hex}"
        self.session = session
        self.ended = threading.Event()
        self.error: Exception | None = None
        self._create = create
        self._parts = parts
        self._cancelled = threading.Event()
        self._status = "queued"
        self._created = int(time.time())
        self._done = self._total = 0
        self._result: dict[str, Any] | None = None

    def cancel(self) -> None:
        self._cancelled.set()

    def run(self, turns: Turns) -> None:
        """The worker thread's part. The session's name must be reserved; it is free again at the end."""
        try:
            self._status = "running"
            with turns.reserved(self.session, create=self._create) as session:
                added = session.memory.add(self._parts, progress=self._progress, cancelled=self._cancelled.is_set)
            self._result = {"memories": added.episodes, "tokens": added.tokens, "commit": added.commit.hex}
            self._status = "completed" if added.whole else "cancelled"
        except Exception as error:
            self.error = error
            self._status = "failed"
        finally:
            self._parts = ()
            self.ended.set()

    def _progress(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def body(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "job",
            "created_at": self._created,
            "session": self.session,
            "status": self._status,
            "progress": {"done": self._done, "total": self._total or None},
            "result": self._result,
            "error": None if self.error is None else error_object(self.error),
        }


class Jobs:
    """The jobs of one application, in threads of their own so that answers need not wait for them."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="perdure-job")
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, session: str, parts: Parts, *, create: bool) -> Job:
        """Begin a job, or raise SessionBusy at once if the session is in use."""
        if self._turns.closing:
            raise Unavailable("The server is stopping; try again when it is back.")
        self._turns.warm.reserve(session)
        job = Job(session, parts, create=create)
        with self._lock:
            self._jobs[job.id] = job
            ended = [each.id for each in self._jobs.values() if each.ended.is_set()]
            for name in ended[: max(0, len(self._jobs) - KEPT)]:
                del self._jobs[name]
        self._workers.submit(job.run, self._turns)
        return job

    def get(self, name: str) -> Job:
        """One job. Raises NotFound."""
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise NotFound(f"There is no job {name[:80]}; a job is forgotten after {KEPT} others and when the server stops.")
        return job

    def close(self) -> None:
        """Cancel everything and wait for its end. Safe to repeat."""
        self.cancel()
        self._workers.shutdown(wait=True)

    def cancel(self) -> None:
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
