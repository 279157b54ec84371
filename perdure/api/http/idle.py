"""Sessions that were spoken to and then left alone, consolidated one at a time in a thread of their own."""

from __future__ import annotations

import logging
import threading
import time

from ...errors import PerdureError, SessionBusy
from .. import lessons
from .jobs import Jobs
from .parametric import consolidation
from .ports import RuntimePort

log = logging.getLogger("perdure.http")

RETRY = 1.0
"""Least seconds before a session that was busy, or wanted by somebody, is looked at again."""


class Idle:
    """Consolidates a session when nobody has spoken to it for some seconds and it was told something new.

    Only sessions that this server has answered in are looked at. A job gives way as soon as its session is wanted, and
    what it had not written by then waits until the session is quiet again.
    """

    def __init__(self, runtime: RuntimePort, jobs: Jobs, seconds: float) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._seconds = seconds
        self._due: dict[str, float] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._loop, name="perdure-idle", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def spoken(self, name: str, seconds: float | None = None) -> None:
        """Somebody spoke to this session just now."""
        with self._changed:
            self._due[name] = time.monotonic() + (self._seconds if seconds is None else seconds)
            self._changed.notify()

    def close(self) -> None:
        """Take up nothing more, and wait for the end of what is under way, which the caller has cancelled."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while (name := self._next()) is not None:
            try:
                self._consolidate(name)
            except SessionBusy:
                self.spoken(name, max(RETRY, self._seconds))
            except PerdureError as error:
                log.warning("session %s was not consolidated: %s", name, error)
            except Exception:
                log.exception("consolidating session %s failed", name)

    def _next(self) -> str | None:
        """Wait for the next session whose time has come; None at the end."""
        with self._changed:
            while not self._closing:
                name = min(self._due, key=self._due.__getitem__, default=None)
                left = None if name is None else self._due[name] - time.monotonic()
                if name is not None and left is not None and left <= 0:
                    del self._due[name]
                    return name
                self._changed.wait(left)
            return None

    def _consolidate(self, name: str) -> None:
        """Run a job, if there is something that is neither known nor refused."""
        history = self._runtime.repository
        if not history.exists(name):
            return
        if not any(each.state == "new" for each in lessons.lessons(history, name)):
            return
        job = self._jobs.run(consolidation(name, lessons.target(history, name, None), yields=True))
        if job.error is not None:
            raise job.error
        if job.gave_way:
            self.spoken(name, max(RETRY, self._seconds))
