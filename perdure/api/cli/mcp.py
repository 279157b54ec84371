"""`perdure mcp`: memory and sessions as tools of an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...config import MemoryOptions
from .. import wiring
from .boundary import say
from .memory_options import takes_memory_options
from .options import EMBEDDED_MODEL, CheckpointBytes, Debug, Model, Store
from .output import Step

if TYPE_CHECKING:
    from ...runtime import Runtime


@takes_memory_options
def mcp(
    model: Model = EMBEDDED_MODEL,
    checkpoint_bytes: CheckpointBytes = None,
    memory: MemoryOptions | None = None,
    store: Store = None,
    debug: Debug = False,
) -> None:
    """Serve memory and sessions as an agent's tools over stdin and stdout (Model Context Protocol).

    Agents start it themselves; docs/mcp.md has their configuration. The model is loaded when something is to be remembered.
    """

    def load() -> Runtime:
        with Step(f"loading {model}") as progress:
            runtime = wiring.open_runtime(model, store, checkpoint_bytes=checkpoint_bytes, memory=memory, progress=progress)
        for note in runtime.notes:
            say(note)
        return runtime

    wiring.serve_mcp(store, load)
