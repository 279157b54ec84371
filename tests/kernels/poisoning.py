"""Memory that a launch has to write."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is allocated and left unwritten is not a number. Test files import this."""

    def poisoning(empty: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def nothing(*args: object, **kwargs: object) -> Tensor:
            memory = empty(*args, **kwargs)
            return memory.fill_(float("nan")) if memory.is_floating_point() else memory

        return nothing

    for name in ("empty", "empty_like"):
        monkeypatch.setattr(torch, name, poisoning(getattr(torch, name)))
