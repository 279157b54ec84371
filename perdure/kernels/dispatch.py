"""Which implementation of an operation runs: the CPU path, or the Triton path where the tensors lie on a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache, wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

OVERRIDE = "PERDURE_KERNELS"
"""The variable that sends everything to one path, for tests: "cpu" or "triton" (which runs interpreted without a GPU)."""


@cache
def override() -> str:
    return os.environ.get(OVERRIDE, "")


@cache
def native_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 by instructions of its own, which oneDNN uses then."""
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return built and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def dispatched(gpu: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The CPU path of an operation, with the function of the same name in module `gpu` for tensors on a GPU.

    That module is imported when it is first needed, so that Triton need not be there without a GPU.
    """

    def chosen(cpu: Callable[P, R]) -> Callable[P, R]:
        @cache
        def other() -> Callable[..., R]:
            found: Callable[..., R] = getattr(import_module(gpu), cpu.__name__)
            return found

        @wraps(cpu)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            if _wants_triton((*args, *kwargs.values())):
                return other()(*args, **kwargs)
            return cpu(*args, **kwargs)

        return run

    return chosen


def _wants_triton(args: tuple[Any, ...]) -> bool:
    forced = override()
    return forced == "triton" or (forced != "cpu" and next(_tensors(args)).is_cuda)


def _tensors(args: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors of a call, those within lists too."""
    for each in args:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, list | tuple):
            yield from _tensors(each)
