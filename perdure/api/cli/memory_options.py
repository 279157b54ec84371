"""What a session does when it outgrows its window: one set of options that several commands take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from ...config import WRITERS, MemoryOptions

Command = Callable[..., None]


def _option(flag: str, metavar: str, sentence: str) -> Any:
    return typer.Option(flag, metavar=metavar, show_default=False, help=sentence)


OPTIONS: Mapping[str, Any] = {
    "window": Annotated[
        int | None, _option("--window", "TOKENS", "Tokens that stay exact at least; without it half of the model's context.")
    ],
    "block": Annotated[
        int | None, _option("--block", "TOKENS", "Tokens that leave the window at once; without it half of the window.")
    ],
    "budget_bytes": Annotated[
        int | None, _option("--memory-bytes", "BYTES", "The working set's size in bytes, instead of --window.")
    ],
    "sinks": Annotated[
        int | None, _option("--sinks", "N", "First tokens that never leave; without it the system prompt, at least 4.")
    ],
    "backend": Annotated[
        str | None, _option("--summary-backend", "NAME", "How what left is summarised: heavy-hitters, infini or none.")
    ],
    "summary": Annotated[
        int | None, _option("--summary-entries", "N", "Entries that the summary keeps for each layer and head.")
    ],
    "episode_tokens": Annotated[
        int | None, _option("--episode-tokens", "TOKENS", "The largest piece that is remembered as one; without it 64.")
    ],
    "recall": Annotated[
        str | None, _option("--recall", "MODE", "How what left comes back: kv (as stored), text (computed again) or off.")
    ],
    "threshold": Annotated[
        float | None,
        _option("--recall-threshold", "X", "Recall what scores so much at least, 0 to 1; without it 0.38."),
    ],
    "learn": Annotated[
        str | None,
        _option(
            "--learn",
            "WRITER",
            f"Write what the user tells into fast weights after each turn: {', '.join(WRITERS)}, or off; delta is quickest.",
        ),
    ],
}
"""By the name that each has in `MemoryOptions`; None leaves that one's default."""


def takes_memory_options(command: Command) -> Command:
    """Give a command these options in place of its parameter `memory`, which gets what they say."""

    @wraps(command)
    def wrapped(**given: Any) -> None:
        chosen = {name: value for name in OPTIONS if (value := given.pop(name)) is not None}
        command(**given, memory=MemoryOptions(**chosen))

    signature = inspect.signature(command, eval_str=True)
    taken = [each for parameter in signature.parameters.values() for each in _parameters(parameter)]
    wrapped.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {each.name: each.annotation for each in taken}
    return wrapped


def _parameters(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if parameter.name != "memory":
        return [parameter]
    return [parameter.replace(name=name, annotation=kind, default=None) for name, kind in OPTIONS.items()]
