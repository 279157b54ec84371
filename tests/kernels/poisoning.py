"""Where the cases of the Triton path run, and the memory that a launch has to write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

DEVICE = "cuda" if torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1" else "cpu"
"""Interpreted on the CPU, or for once as they are meant to."""

Make = Callable[..., Tensor]


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is made without a device is made on DEVICE, and what is allocated and left unwritten is not a number.

    Random numbers are the same on every device, since a CPU's generator gives them. Test files import this.
    """
    with torch.device(DEVICE):
        torch.empty(0)  # with the first call it is settled which functions know of the device: the ones before those below
        for name in ("randn", "rand", "randint", "randperm"):
            monkeypatch.setattr(torch, name, _placed(getattr(torch, name)))
        for owner, name in ((torch, "empty"), (torch, "empty_like"), (Tensor, "new_empty")):
            monkeypatch.setattr(owner, name, _poisoning(getattr(owner, name)))
        yield


def _placed(make: Make) -> Make:
    def made(*args: object, **kwargs: object) -> Tensor:
        return make(*args, **{"device": "cpu", **kwargs}).to(DEVICE)

    return made


def _poisoning(empty: Make) -> Make:
    def nothing(*args: object, **kwargs: object) -> Tensor:
        memory = empty(*args, **kwargs)
        return memory.fill_(float("nan")) if memory.is_floating_point() else memory

    return nothing
