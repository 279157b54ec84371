"""What the endpoints of one application share."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from fastapi import Request

from ...config import Quota
from ...errors import ModelNotFound
from .counting import Counts
from .feed import Feed
from .jobs import Job, Jobs
from .meter import Meter
from .orders import Orders
from .ports import RuntimePort, SessionPort
from .settings import HttpSettings
from .turns import Turn, Turns
from .watching import Watcher

if TYPE_CHECKING:
    from .live import Live

ANSWERS = 10_000


class Answers(OrderedDict[str, str]):
    """The commits of the last answers, by the ids that clients got."""

    def note(self, answer: str, commit: str | None) -> None:
        if commit:
            self[answer] = commit
            if len(self) > ANSWERS:
                self.popitem(last=False)


class Hub:
    """One tenant's: the runtime it was handed, which it never closes, and the turns and jobs it runs on it.

    `noted` is told of what jobs did (action, ids, outcome). `counts` are of all tenants, `own` of this one.
    """

    def __init__(
        self,
        runtime: RuntimePort,
        settings: HttpSettings,
        *,
        tenant: str,
        counts: Counts,
        quota: Callable[[], Quota],
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.tenant = tenant
        self.turns = Turns(runtime, settings)
        self.jobs = Jobs(self.turns)
        self.counts = counts
        self.own = Counts()
        self.meter = Meter(runtime, quota)
        self.turns.admit = self.meter.require_tokens
        self.noted: Callable[[str, Iterable[str], str], None] = lambda action, ids, outcome: None
        self.feed = Feed()
        self.watcher = Watcher(runtime.repository, self.turns.warm, self.feed)
        self.turns.ended = self._turn_ended
        self.jobs.begun = lambda job: self.feed.tell("job.started", job.session, job=job.id, kind=job.kind)
        self.jobs.ended = self._job_ended
        self.jobs.moved = self._job_moved
        self.answers = Answers()
        self.orders = Orders()
        self.live: dict[str, Live] = {}
        self.started = int(time.time())

    def _turn_ended(self, turn: Turn) -> None:
        for counts in (self.counts, self.own):
            counts.turn(turn.clock)
        receipt = turn.clock.receipt
        if receipt is not None:
            self.meter.spend(receipt.prefilled + receipt.generated)
        self.watcher.look()

    def _job_moved(self, job: Job, done: int, total: int) -> None:
        self.feed.tell("job.progress", job.session, job=job.id, kind=job.kind, done=done, total=total or None)

    def _job_ended(self, job: Job) -> None:
        """What it did is told before its end."""
        self.counts.job(job.kind, job.status)
        self.meter.spend(job.tokens)
        self.noted(f"job.{job.kind}", [job.id, *job.names], job.status)
        self.watcher.look()
        self.feed.tell(f"job.{job.status}", job.session, job=job.id, kind=job.kind)

    async def make_way(self, name: str | None) -> None:
        """Have a job that yields this session give way."""
        if self.jobs.yielding(name) is not None:
            await asyncio.to_thread(self.jobs.make_way, name)

    def writing(self, name: str, keep_alive: float | None = None) -> AbstractContextManager[SessionPort]:
        """A session that exists, under its lease; `keep_alive` as `WarmSessions.give_back` has it. Raises SessionBusy at
        once if another request uses it.
        """
        self.jobs.make_way(name)
        return self.turns.writing(name, keep_alive)

    def refuse(self) -> None:
        """Take nothing more; what is under way goes on, and what has not begun is refused."""
        self.turns.refuse()

    def cancel(self) -> None:
        """Take nothing more and end what is under way soon."""
        self.turns.cancel()
        self.jobs.cancel()

    def close(self) -> None:
        """End everything under way and close the sessions opened here. Safe to repeat."""
        self.cancel()
        self.feed.close()
        self.jobs.close()
        self.turns.close()
        self.watcher.close()

    def split_model(self, model: str | None) -> str | None:
        """The session in "model@session", None for a bare model name or none at all. Raises ModelNotFound."""
        present = self.runtime.model.name
        if model is None or model.casefold() == present.casefold():
            return None
        name, at, session = model[: len(present)], model[len(present) : len(present) + 1], model[len(present) + 1 :]
        if name.casefold() != present.casefold() or at != "@" or not session:
            raise ModelNotFound(f"The model {model} is not served here; this server runs {present}.")
        return session


HUB = "perdure.hub"


async def hub(request: Request) -> Hub:
    """The hub of the tenant whom a request is from."""
    found: Hub = request.scope[HUB]
    return found
