"""How much each token of an answer attended to what was recalled for it, with the tokens as text where that can be told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import modelfiles, wiring

if TYPE_CHECKING:
    from ..memory import Repository
    from .recalling import Told


class Heeded(NamedTuple):
    """One sampled token: its text (None: the tokenizer is not here), and the share of its attention for all memories."""

    text: str | None
    mass: float


def heeded(history: Repository, story: Told) -> list[Heeded]:
    """The answer of a turn, token by token; empty where nothing was recalled, or its attention was not measured."""
    masses = [sum(shares) for shares in zip(*(item.by_token for item in story.chosen if item.by_token), strict=False)]
    if not masses:
        return []
    folder = wiring.model_folder(modelfiles.model_of(history.sessions(), story.commit))
    texts = _texts(history, story, folder, len(masses))
    return [Heeded(None if texts is None else texts[at], mass) for at, mass in enumerate(masses)]


def _texts(history: Repository, story: Told, folder: Path | None, count: int) -> list[str] | None:
    commit = story.commit
    said = [message for message in history.messages_of(commit) if message.role == "assistant"]
    if folder is None or not said:
        return None
    tokens, pending = history.tokens(commit.hex), list(commit.state.pending) if commit.state else []
    # Whether what ended the answer was heard too depends on how it ended.
    ends = (sampled[-count:] for sampled in (tokens, tokens + pending) if len(sampled) >= count)
    return next((found for end in ends if (found := modelfiles.pieces(folder, end, said[-1].content))), None)


def shape(item: Heeded) -> dict[str, Any]:
    """The same as JSON."""
    return {"text": item.text, "mass": round(item.mass, 6)}
