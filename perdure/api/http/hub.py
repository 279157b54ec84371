"""What the endpoints of one application share."""

from __future__ import annotations

import time

from fastapi import Request

from ...errors import ModelNotFound
from .ports import RuntimePort
from .settings import HttpSettings
from .turns import Turns


class Hub:
    """The runtime it was handed, which it never closes, and the turns it runs on it."""

    def __init__(self, runtime: RuntimePort, settings: HttpSettings) -> None:
        self.runtime = runtime
        self.settings = settings
        self.turns = Turns(runtime, settings)
        self.started = int(time.time())

    def split_model(self, model: str | None) -> str | None:
        """The session in "model@session", None for a bare model name or none at all. Raises ModelNotFound."""
        present = self.runtime.model.name
        if model is None or model.casefold() == present.casefold():
            return None
        name, at, session = model[: len(present)], model[len(present) : len(present) + 1], model[len(present) + 1 :]
        if name.casefold() != present.casefold() or at != "@" or not session:
            raise ModelNotFound(f"The model {model} is not served here; this server runs {present}.")
        return session


async def hub(request: Request) -> Hub:
    """The hub of the application that a request came to."""
    found: Hub = request.app.state.hub
    return found
