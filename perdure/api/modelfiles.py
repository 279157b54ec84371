"""What a pulled model's small files tell without the model: how much it can see, and its tokens as text. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..memory.records import Commit, SessionInfo

LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


def model_of(sessions: Iterable[SessionInfo], commit: Commit) -> str | None:
    """The name of the model that computed a commit, as a session with the same recipe has it."""
    return next((info.model for info in sessions if info.head.recipe == commit.recipe), None)


def context_length(folder: Path | None) -> int | None:
    """How many tokens the model of a folder can see; None where its configuration does not say."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8")) if folder else {}
    except (OSError, ValueError):
        return None
    known = config if isinstance(config, dict) else {}
    inner = known.get("text_config")
    text = inner if isinstance(inner, dict) else known
    return next((found for name in LENGTHS if isinstance(found := text.get(name), int)), None)


def pieces(folder: Path | None, tokens: Sequence[int], text: str) -> list[str] | None:
    """What each token of an answer adds to its text; None where the folder's tokenizer does not make this text of them."""
    file = None if folder is None else folder / "tokenizer.json"
    if file is None or not file.is_file():
        return None
    from tokenizers import Tokenizer

    from ..runtime.text import Detokenizer

    try:
        decoder = Detokenizer(SimpleNamespace(backend_tokenizer=Tokenizer.from_file(str(file))))
    except Exception:
        return None
    found = [decoder.push(token) for token in tokens]
    if found:
        found[-1] += decoder.flush()
    return found if text.strip() and "".join(found).strip() == text.strip() else None
