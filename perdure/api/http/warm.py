"""The sessions of this server: who is using which, and the ones kept warm between requests."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from ...errors import SessionBusy, SessionNotFound
from ...memory.names import checked
from ...memory.records import Commit
from .mounting import at_first
from .ports import RuntimePort, SessionPort


class Kept(NamedTuple):
    """A session in memory `since` a time (None: it is not) and until it `expires` (None: while there is room).

    One that is `busy` is in use: its head and size may be changing.
    """

    name: str
    since: float | None
    busy: bool
    head: Commit | None
    expires: float | None = None
    bytes: int | None = None


class _Warm(NamedTuple):
    session: SessionPort
    expires: float | None


class WarmSessions:
    """Hands each session to one request at a time and keeps the others open, their KV in memory.

    Those whose state the runtime has dropped for others are closed, as are those whose time is over and the coldest of
    more than `capacity`. A name is reserved before its session is opened and freed by `give_back` or `discard`. Only the
    holder of a reservation may open, use or drop the session of that name. New sessions mount `profiles` unless they are
    told otherwise; `keep_alive` is for how many seconds a session stays of which nothing else is asked (None: no limit).
    """

    def __init__(
        self, runtime: RuntimePort, capacity: int, profiles: Sequence[str] = (), keep_alive: float | None = None
    ) -> None:
        self._runtime = runtime
        self._capacity = capacity
        self._profiles = profiles
        self._keep_alive = keep_alive
        self._lock = threading.Lock()
        self._reserved: set[str] = set()
        self._warm: OrderedDict[str, _Warm] = OrderedDict()
        self._since: dict[str, float] = {}

    def reserve(self, name: str) -> None:
        """Take the name, or raise SessionBusy at once."""
        with self._lock:
            if name in self._reserved:
                raise SessionBusy(f"Session {name} is answering another request; wait for it to end, then try again.")
            self._reserved.add(name)

    def open(self, name: str, *, create: bool, mounts: Sequence[str] | None = None) -> SessionPort:
        """The session of a reserved name: the warm one if it still exists in the store, else opened or made."""
        with self._lock:
            warm = self._warm.pop(name, None)
        if warm is not None:
            if self._runtime.repository.exists(name):
                return warm.session
            warm.session.close()
        if self._runtime.repository.exists(checked(name) if create else name):
            return self._runtime.session(name, create=create)
        if not create:
            raise SessionNotFound(f"There is no session {name}; create it with memory.create, or check the spelling.")
        return self.make(name, mounts)

    def make(self, name: str, mounts: Sequence[str] | None = None) -> SessionPort:
        """A new session of a reserved name, which mounts these profiles; None: the usual ones."""
        wanted = at_first(self._runtime.repository, name, mounts, self._profiles)
        session = self._runtime.session(name, create=True)
        try:
            if wanted:
                session.mount(wanted)
        except BaseException:
            session.close()
            raise
        return session

    def give_back(self, name: str, session: SessionPort, keep_alive: float | None = None) -> None:
        """Release the writer lease, keep the session warm for `keep_alive` seconds (None: as usual) and free the name."""
        try:
            session.release()
        except BaseException:
            self.discard(name, session)
            raise
        seconds = self._keep_alive if keep_alive is None else keep_alive
        now = time.time()
        with self._lock:
            self._warm[name] = _Warm(session, None if seconds is None or seconds == math.inf else now + seconds)
            self._since.setdefault(name, now)
            self._reserved.discard(name)
        self.sweep()

    def sweep(self) -> None:
        """Close what is not to stay: what was dropped from memory or was there long enough, and the coldest of too many."""
        now = time.time()
        with self._lock:
            gone = [name for name, warm in self._warm.items() if _over(warm, now)]
            more = max(0, len(self._warm) - len(gone) - self._capacity)
            gone += [name for name in self._warm if name not in gone][:more]
            closed = [self._warm.pop(name).session for name in gone]
            for name in gone:
                del self._since[name]
        for session in closed:
            session.close()

    def cool(self, name: str) -> None:
        """Close the session of a reserved name if it is warm."""
        with self._lock:
            warm = self._warm.pop(name, None)
            self._since.pop(name, None)
        if warm is not None:
            warm.session.close()

    def discard(self, name: str, session: SessionPort | None = None) -> None:
        """Close the session that was opened under a reserved name, if it was, and free the name."""
        try:
            if session is not None:
                session.close()
        finally:
            with self._lock:
                self._reserved.discard(name)
                if name not in self._warm:
                    self._since.pop(name, None)

    def kept(self) -> list[Kept]:
        """The sessions in memory, the coldest first, those in use last."""
        self.sweep()
        with self._lock:
            warm = [
                Kept(name, self._since[name], False, each.session.head, each.expires, each.session.loaded_bytes)
                for name, each in self._warm.items()
            ]
            busy = self._reserved - self._warm.keys()
            return warm + [Kept(name, self._since.get(name), True, None) for name in sorted(busy)]

    def names(self) -> list[str]:
        """The warm sessions, coldest first."""
        with self._lock:
            return list(self._warm)

    def close(self) -> None:
        """Close every warm session."""
        with self._lock:
            sessions = [warm.session for warm in self._warm.values()]
            self._warm.clear()
            self._since.clear()
        for session in sessions:
            session.close()


def _over(warm: _Warm, now: float) -> bool:
    return warm.session.loaded_bytes is None or (warm.expires is not None and warm.expires <= now)
