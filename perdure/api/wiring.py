"""Where the interfaces get the parts below them; tests replace these functions.

Everything is imported inside the functions, so that a command which only reads the history never loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

if TYPE_CHECKING:
    from ..memory import Repository
    from ..runtime import Runtime
    from ..runtime.records import ModelInfo

EMBEDDED_MODEL = "smollm2-135m-instruct"

Progress = Callable[[int, int], None]


def store_path(named: Path | None) -> Path:
    """The folder that was asked for, else the one in the user's data folder."""
    if named is not None:
        return named.expanduser()
    return platformdirs.user_data_path("perdure", appauthor=False) / "store"


def open_repository(named: Path | None, *, create: bool = False) -> Repository:
    """The history alone. Without `create` a store that is not there is an error, so that a typing mistake makes none."""
    from ..memory import Repository

    return Repository.open(store_path(named), create=create)


def open_runtime(model: str, named: Path | None, *, progress: Progress | None = None) -> Runtime:
    """A loaded model over a store, which is made where there is none."""
    from ..runtime import open as open_model

    return open_model(model, store_path(named), progress=progress)


def pull_model(name: str, *, progress: Progress | None = None) -> ModelInfo:
    from ..runtime.pull import pull

    return pull(name, progress=progress)


def pulled_models() -> list[ModelInfo]:
    from ..runtime.models import pulled

    return pulled()


def serve(runtime: Runtime, host: str, port: int, *, insecure: bool, started: Callable[[str], None]) -> None:
    """Answer HTTP requests until the process is told to stop; `started` gets the URL."""
    from .http import serve as serve_http

    serve_http(runtime, host, port, insecure=insecure, started=started)


def measure_resume(runtime: Runtime, *, progress: Progress | None = None) -> Sequence[Mapping[str, Any]]:
    """Rows of the quick measurement: the same members in each, in the order in which a table shows them."""
    from ..runtime.bench import quick

    return quick(runtime, progress=progress)
