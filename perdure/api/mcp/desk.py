"""What the tools work on: a store, what finds memories in it, and who writes to its sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from ...memory import Repository
    from ...memory.episodes import Episode
    from ...runtime.session_memory import Added
    from ..recalling import Searched


class Watch(NamedTuple):
    """How far a call has come, and whether anybody still waits for it. Both may be called from any thread."""

    progress: Callable[[int, int], None] = lambda done, total: None
    cancelled: Callable[[], bool] = lambda: False


class Desk(Protocol):
    """Used by several calls at once, each in a thread of its own."""

    def admit(self, tool: str, asker: object) -> None:
        """Raises what keeps whoever asks (the transport's request, if it has one) from using a tool."""
        ...

    def note(self, tool: str, asker: object, ids: Iterable[str], outcome: str) -> None:
        """Write down that a tool was used, and for what, before the answer is given. Raises StoreFull, StoreUnreadable."""
        ...

    @property
    def history(self) -> Repository: ...

    @property
    def memories(self) -> Searched:
        """What finds memories; the first search loads the sentence encoder, no language model."""
        ...

    def add(self, session: str, title: str, text: str, watch: Watch) -> Added:
        """Have a session, made where there is none, remember a text.

        What is remembered when the watch says that it is cancelled stays. Raises SessionBusy or what else stands in the way.
        """
        ...

    def forget(self, session: str, name: str) -> Episode:
        """Have a session forget a memory, in a commit of its own. Raises RevisionNotFound or SessionBusy."""
        ...
