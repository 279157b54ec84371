"""What the server needs of the runtime, as structural types: no model is needed to run or test it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack

from ...config import SamplingChanges
from ...memory.inspecting import Bounded, Memory
from ...memory.records import Commit, Message, SessionInfo
from ...runtime.calls import CallFormat
from ...runtime.records import Chunk, ModelInfo, Receipt
from ..recalling import History, Searched
from ..taught import Ledgers

if TYPE_CHECKING:
    from ...memory.episodes import Episode
    from ...memory.fastweights import Record
    from ...memory.sessionlog import UnfinishedTurn
    from ...runtime.encoder import SentenceEncoder
    from ...runtime.session_memory import Added
    from ...stores.base import Digest, RefLogEntry


class StreamPort(Protocol):
    """An answer while it is generated. `receipt` and `text` are final once the iteration has ended."""

    @property
    def receipt(self) -> Receipt: ...

    @property
    def text(self) -> str: ...

    def __iter__(self) -> Iterator[Chunk]: ...

    def cancel(self) -> None:
        """End the answer soon and commit what was handed out. Safe from any thread, and after the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...


class MemoryPort(Protocol):
    """What one session remembers. Each change is a commit. Unknown ids raise RevisionNotFound."""

    def get(self, name: str) -> Episode: ...

    def edit(self, name: str, text: str, pinned: bool | None = None) -> Episode: ...

    def pin(self, name: str, pinned: bool = True) -> Episode: ...

    def remove(self, name: str) -> Episode: ...

    def add(
        self,
        parts: Iterable[tuple[str, str]],
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] = ...,
    ) -> Added:
        """Remember documents, (title, text) each, in several commits; `cancelled` is asked between them."""
        ...


class SessionPort(Protocol):
    """One conversation. Used by one thread at a time, not always the same one."""

    @property
    def name(self) -> str | None: ...

    @property
    def head(self) -> Commit: ...

    @property
    def memory(self) -> MemoryPort: ...

    @property
    def loaded_bytes(self) -> int | None:
        """Bytes of the working state in memory; None while there is none. Only while nobody uses the session."""
        ...

    def give_up(self) -> None:
        """Whoever waits for room for this session waits no longer. Safe from any thread."""

    def stream(
        self,
        message: Sequence[Message],
        /,
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        note: Mapping[str, Any] | None = None,
        **changes: Unpack[SamplingChanges],
    ) -> StreamPort: ...

    def complete(self, prompt: str, /, **changes: Unpack[SamplingChanges]) -> StreamPort:
        """Go on with a plain text; only where nothing is kept."""
        ...

    def teach(self, new: Sequence[Record], gone: Collection[Digest], title: str) -> Commit:
        """Change the session's ledger: new records, others (by their objects) gone."""
        ...

    def mount(self, names: Sequence[str]) -> Commit:
        """Have the ledgers of these branches, and no others, count in this session. Raises SessionNotFound."""
        ...

    def fork(self, name: str, at: str | None = None) -> SessionPort: ...

    def reset(self, rev: str) -> None: ...

    def acquire(self) -> None:
        """Take the writer's lease, notice what others wrote, finish what a dead process left. Raises SessionBusy."""

    def release(self) -> None: ...

    def close(self) -> None: ...


class RepositoryPort(History, Ledgers, Protocol):
    def inspect(self, commit: Commit) -> Memory: ...

    def bounded(self, commit: Commit) -> Bounded: ...

    def log(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]: ...

    def request(self, commit: Commit) -> Mapping[str, Any]: ...

    def unfinished(self, name: str) -> UnfinishedTurn | None: ...

    def heads(self) -> Mapping[str, Digest]: ...

    def reflog(self, name: str) -> list[RefLogEntry]: ...

    def ancestry(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]: ...

    def fork(self, src: str, new: str, at: str | None = None) -> SessionInfo: ...

    def remove(self, name: str) -> None: ...


class Meaning(Searched, Protocol):
    """What finds memories, and the encoder it finds them by, loaded when it is first asked for."""

    @property
    def encoder(self) -> SentenceEncoder: ...

    def forget(self) -> None:
        """What no session remembers any more can be found no longer, nor read in any file of the index."""


class MemoryInUse(Protocol):
    """What bounds the working states of all sessions together, in bytes; a `budget` of None: nothing does."""

    @property
    def budget(self) -> int | None: ...

    @property
    def held(self) -> int: ...

    @property
    def in_use(self) -> int: ...


class RuntimePort(Protocol):
    """A model and a store. Different sessions may be used from different threads at once."""

    @property
    def model(self) -> ModelInfo: ...

    @property
    def calls(self) -> CallFormat | None: ...

    @property
    def repository(self) -> RepositoryPort: ...

    @property
    def memories(self) -> Meaning: ...

    @property
    def residence(self) -> MemoryInUse: ...

    def count(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """How many tokens a whole conversation has. Raises InvalidInput if the chat template refuses it."""
        ...

    def spelling(self, commit: Commit) -> Callable[[int, int], list[str] | None]:
        """Tells the texts of tokens [start, end) of a commit's log; None where another tokenizer made them."""
        ...

    def session(self, name: str, *, create: bool = True) -> SessionPort: ...

    def create(self, name: str, *, about: Mapping[str, Any], mounts: Sequence[str] = ()) -> SessionInfo:
        """Make a session without opening it. Raises InvalidName or SessionExists."""
        ...

    def ephemeral(self) -> SessionPort: ...

    def sessions(self) -> list[SessionInfo]: ...
