"""What the server needs of the runtime, as structural types: no model is needed to run or test it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from ...memory.records import Commit, Message, SessionInfo
from ...runtime.records import Chunk, ModelInfo, Receipt


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


class SessionPort(Protocol):
    """One conversation. Used by one thread at a time, not always the same one."""

    @property
    def name(self) -> str | None: ...

    def stream(
        self,
        message: Sequence[Message],
        /,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        seed: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> StreamPort: ...

    def fork(self, name: str, at: str | None = None) -> SessionPort: ...

    def reset(self, rev: str) -> None: ...

    def acquire(self) -> None:
        """Take the writer's lease, notice what others wrote, finish what a dead process left. Raises SessionBusy."""

    def release(self) -> None: ...

    def close(self) -> None: ...


class RepositoryPort(Protocol):
    def exists(self, name: str) -> bool: ...

    def info(self, name: str) -> SessionInfo: ...

    def messages(self, rev: str, session: str | None = None) -> list[Message]: ...

    def log(self, rev: str, *, session: str | None = None, limit: int | None = None) -> list[Commit]: ...

    def fork(self, src: str, new: str, at: str | None = None) -> SessionInfo: ...

    def remove(self, name: str) -> None: ...


class RuntimePort(Protocol):
    """A model and a store. Different sessions may be used from different threads at once."""

    @property
    def model(self) -> ModelInfo: ...

    @property
    def repository(self) -> RepositoryPort: ...

    def session(self, name: str, *, create: bool = True) -> SessionPort: ...

    def ephemeral(self) -> SessionPort: ...

    def sessions(self) -> list[SessionInfo]: ...
