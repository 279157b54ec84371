"""A bounded conversation over a tiny model, for the tests of both interfaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.config import MemoryOptions
from perdure.runtime import Runtime
from perdure.runtime.session import Session
from perdure.testing.encoder import HashedWords

from ..conftest import Opens

SMALL = MemoryOptions(window=128, block=128, sinks=4, summary=32, recall_tokens=128)
FLAGS = ["--window", "128", "--block", "128", "--sinks", "4", "--summary-entries", "32"]
FACT = "My cousin Tamsin keeps a pangolin called Biscuit"
ASK = "What is the pangolin of my cousin Tamsin called?"
FILLER = "the quick brown fox jumps over the lazy dog while seven wizards quietly judge my vow and pack boxes "


def small(opens: Opens, store: Path | None = None) -> Runtime:
    return opens(store, memory=SMALL, encoder=HashedWords())


def taught(session: Session) -> Session:
    """A session that was told a fact, which has left its window since."""
    session.chat(FACT, max_tokens=8, temperature=0.0)
    for turn in range(4):
        session.chat(f"{turn} " + FILLER * 2, max_tokens=8, temperature=0.0)
    return session


def ports(lines: int) -> str:
    """A document of about five pieces for each sixty lines."""
    return " ".join(f"Line {i} tells of the harbour number {i * 37}." for i in range(lines))


def without_a_model(patch: pytest.MonkeyPatch) -> None:
    """Have commands find the encoder for tests, and no language model."""

    def no_model(*_: object, **__: object) -> None:
        raise AssertionError("this command must not load a model")

    patch.setattr("perdure.runtime.encoder.load", lambda cache: HashedWords())
    patch.setattr("perdure.runtime.open", no_model, raising=False)
