"""Git for neural memory: chats that resume without recomputing, fork for free and survive kill -9.

    import perdure

    with perdure.open("smollm2-135m-instruct") as runtime:
        alice = runtime.session("alice")
        print(alice.chat("My dog is called Bruno.").text)
        bob = alice.fork("bob")

Names load on first use: `import perdure` alone imports neither torch nor transformers nor httpx.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors
from .config import CheckpointOptions, MemoryOptions, PagingOptions, Sampling
from .errors import PerdureError

if TYPE_CHECKING:
    from .client import AsyncClient, Client
    from .memory import Repository
    from .memory.records import Commit, Message
    from .runtime import Runtime, Session, Stream, open  # noqa: A004
    from .runtime.records import Chunk, Receipt, Reply

__version__ = "0.1.0"

__all__ = [
    "open",
    "Runtime",
    "Session",
    "Stream",
    "Reply",
    "Receipt",
    "Chunk",
    "Message",
    "Commit",
    "Sampling",
    "CheckpointOptions",
    "MemoryOptions",
    "PagingOptions",
    "Repository",
    "Client",
    "AsyncClient",
    "PerdureError",
    "errors",
    "__version__",
]

_HOMES = {
    "open": "perdure.runtime",
    "Runtime": "perdure.runtime",
    "Session": "perdure.runtime",
    "Stream": "perdure.runtime",
    "Reply": "perdure.runtime.records",
    "Receipt": "perdure.runtime.records",
    "Chunk": "perdure.runtime.records",
    "Message": "perdure.memory.records",
    "Commit": "perdure.memory.records",
    "Repository": "perdure.memory",
    "Client": "perdure.client",
    "AsyncClient": "perdure.client",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
