"""The tenants of one application: each has a store, and a hub of its own over it. They share the model and nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ...config import Quota
from ...errors import PerdureError
from ...memory.repository import Repository
from ..access.audit import Audit
from ..access.keyring import Keyring
from ..access.keys import DEFAULT
from .counting import Counts
from .hub import Hub
from .idle import Idle
from .ports import RuntimePort
from .problems import Unavailable
from .settings import HttpSettings

if TYPE_CHECKING:
    from ...runtime import Runtime

log = logging.getLogger("perdure.http")

FOLDER = "tenants"
"""Where the stores of all tenants but the default one lie, in the folder of that one's store."""


class Access(NamedTuple):
    """What a server keeps of who may do what, and of who did."""

    root: Path
    keyring: Keyring
    audit: Audit

    @classmethod
    def of(cls, root: Path) -> Access:
        return cls(root, Keyring(root), Audit(root))


class _House(NamedTuple):
    """A tenant at work. `runtime` None: it was handed in, and is not ours to close."""

    hub: Hub
    idle: Idle | None
    runtime: Runtime | None = None

    def start(self) -> None:
        if self.idle is not None:
            self.idle.start()
        self.hub.watcher.start()

    def close(self) -> None:
        self.hub.cancel()
        if self.idle is not None:
            self.idle.close()
        self.hub.close()
        if self.runtime is not None:
            self.runtime.close()


class Tenants:
    """`access` is None where the runtime has no store on disk; then there is one tenant and no key.

    The hub of a tenant is made when it is first asked for, and stays until the application ends.
    """

    def __init__(self, runtime: RuntimePort, settings: HttpSettings) -> None:
        store = runtime.repository
        self.access = Access.of(store.path) if isinstance(store, Repository) else None
        self.counts = Counts()
        self.left: Callable[[], None] = lambda: None
        self._runtime = runtime
        self._settings = settings
        self._opening = threading.Lock()
        self._started = self._closed = self.closing = False
        self._houses = {DEFAULT: self._house(DEFAULT, runtime, settings)}
        self._limit(store)

    @property
    def default(self) -> Hub:
        """The hub over the store that the server was started with."""
        return self._houses[DEFAULT].hub

    @property
    def hubs(self) -> list[Hub]:
        """Those of all tenants that are at work."""
        return [house.hub for house in list(self._houses.values())]

    @property
    def asleep(self) -> list[str]:
        """The tenants that have a store and were not asked for yet."""
        folder = None if self.access is None else self.access.root / FOLDER
        found = [] if folder is None or not folder.is_dir() else sorted(each.name for each in folder.iterdir())
        return [name for name in found if name not in self._houses]

    def opened(self, tenant: str) -> Hub | None:
        """The hub of a tenant, if it is at work."""
        house = self._houses.get(tenant)
        return None if house is None else house.hub

    def hub(self, tenant: str) -> Hub:
        """The hub of a tenant; its store is opened, or made, if it is not at work yet."""
        with self._opening:
            if tenant not in self._houses:
                house = self._open(tenant)
                if self._started:
                    house.start()
                self._houses[tenant] = house
            return self._houses[tenant].hub

    def quota(self, tenant: str) -> Quota:
        """What a tenant may have just now."""
        return Quota() if self.access is None else self.access.keyring.quota(tenant)

    def note(self, tenant: str, key: str | None, action: str, ids: Iterable[str], outcome: str) -> None:
        """Write into the audit log, where there is one. Raises StoreFull, StoreUnreadable."""
        if self.access is not None:
            self.access.audit.note(tenant, key, action, ids, outcome)

    def start(self) -> None:
        """Begin to watch the sessions."""
        self._started = True
        for house in list(self._houses.values()):
            house.start()

    def silence(self) -> None:
        """End the streams that would go on for ever; `left` is told."""
        for hub in self.hubs:
            hub.feed.close()
        self.left()

    @property
    def under_way(self) -> int:
        """How many turns have not ended."""
        return sum(hub.turns.under_way for hub in self.hubs)

    def refuse(self) -> None:
        """Take nothing more; what is under way goes on, and what has not begun is refused."""
        self.closing = True
        for hub in self.hubs:
            hub.refuse()

    def cancel(self) -> None:
        """Take nothing more and end what is under way soon."""
        self.closing = True
        for hub in self.hubs:
            hub.cancel()

    def close(self) -> None:
        """End everything under way and close what was opened here. Safe to repeat."""
        self.cancel()
        with self._opening:
            self._closed = True
            for house in self._houses.values():
                house.close()
        if self.access is not None:
            self.access.keyring.close()

    def _open(self, tenant: str) -> _House:
        if self._closed or self.closing or self.access is None:
            raise Unavailable("The server is stopping; try again when it is back.")
        repository = Repository.open(self.access.root / FOLDER / tenant, salted=True)
        for note in repository.notes:
            log.warning("tenant %s: %s", tenant, note)
        self._limit(repository, tenant)
        runtime = cast("Runtime", self._runtime).over(repository)
        # Profiles are branches of the default tenant's store.
        settings = self._settings.without_profiles()
        return self._house(tenant, runtime, settings)._replace(runtime=runtime)

    def _house(self, tenant: str, runtime: RuntimePort, settings: HttpSettings) -> _House:
        quota = partial(self.quota, tenant)
        hub = Hub(runtime, settings, tenant=tenant, counts=self.counts, quota=quota)
        hub.noted = partial(self._note_job, tenant)
        seconds = settings.consolidate_idle
        idle = None if seconds is None else Idle(runtime, hub.jobs, seconds)
        if idle is not None:
            hub.turns.spoken = idle.spoken
        return _House(hub, idle)

    def _limit(self, store: object, tenant: str = DEFAULT) -> None:
        if isinstance(store, Repository):
            store.most_sessions = lambda: self.quota(tenant).sessions

    def _note_job(self, tenant: str, action: str, ids: Iterable[str], outcome: str) -> None:
        """A job that has ended; by then there is nobody to refuse it to."""
        try:
            self.note(tenant, None, action, ids, outcome)
        except PerdureError as error:
            log.error("the audit log could not be written: %s", error)  # noqa: TRY400 - the sentence says it all
