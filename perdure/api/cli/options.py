"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...config import STORED, WEIGHTS, known_weights
from ..wiring import EMBEDDED_MODEL
from .boundary import debugging

DEFAULT_SESSION = "default"


def _debug(value: bool) -> bool:
    if value:
        debugging.set(True)
    return value


Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        envvar="PERDURE_STORE",
        show_default=False,
        help="Folder of the store; without it, one in the user's data folder.",
    ),
]

Model = Annotated[
    str, typer.Option("--model", "-m", metavar="MODEL", envvar="PERDURE_MODEL", help="A pulled model or a folder.")
]

Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="|".join(WEIGHTS),
        envvar="PERDURE_WEIGHTS",
        callback=known_weights,
        help="How the model's linear layers hold their weights; a session goes on with those that it began with.",
    ),
]

CheckpointBytes = Annotated[
    int | None,
    typer.Option(
        "--checkpoint-bytes",
        metavar="BYTES",
        min=0,
        envvar="PERDURE_CHECKPOINT_BYTES",
        show_default=False,
        help="Most that a session's snapshots of recurrent states may take; without it 256 MiB.",
    ),
]

Speculate = Annotated[
    bool,
    typer.Option(
        "--speculate/--no-speculate",
        envvar="PERDURE_SPECULATE",
        help="Guess tokens from the session's past and compute them together, where that is faster; the answer is the same.",
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

Debug = Annotated[bool, typer.Option("--debug", envvar="PERDURE_DEBUG", callback=_debug, help="Show the trace of an error.")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

InSession = Annotated[
    str | None,
    typer.Option("--session", "-s", metavar="SESSION", help=f"Whose HEAD and @turn:N; else {DEFAULT_SESSION}'s."),
]

REVISION_HELP = "A session, tag, commit hash (8 digits or more) or HEAD, with ~N or @turn:N."

__all__ = [
    "DEFAULT_SESSION",
    "EMBEDDED_MODEL",
    "REVISION_HELP",
    "STORED",
    "CheckpointBytes",
    "Debug",
    "InSession",
    "Json",
    "Model",
    "Speculate",
    "Store",
    "Weights",
    "Yes",
]
