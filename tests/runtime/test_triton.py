"""The runtime over the kernels' Triton paths, in Triton's interpreter."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from ..kernels.test_triton import compilations, ran

__all__ = ["compilations"]

pytestmark = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed (it is for Linux; make test installs it there)"
)


def test_a_conversation_in_the_interpreter(compilations: Path) -> None:
    ran(Path(__file__).with_name("interpreted_turn.py"), compilations, interpret=True)
