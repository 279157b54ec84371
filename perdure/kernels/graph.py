"""Operations as torch.compile and torch.export see them: one node of a graph, whatever path it takes when it runs.

A call through torch's dispatcher takes some microseconds more than a plain one, so it is made while a graph is traced only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import torch
from torch import library

P = ParamSpec("P")
R = TypeVar("R")

_LIBRARY = library.Library("perdure", "DEF")  # type: ignore[no-untyped-call]


def traced(direct: Callable[P, R], node: Callable[P, R]) -> Callable[P, R]:
    """`direct`, and while a graph is traced `node`, which does the same by a call of an operator."""

    @wraps(direct)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return node(*args, **kwargs) if torch.compiler.is_compiling() else direct(*args, **kwargs)

    return run


def cached(make: Callable[P, R]) -> Callable[P, R]:
    """Keeps the last two results, but not while a graph is traced, to which they would be constants."""

    @lru_cache(maxsize=2)
    @wraps(make)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        # A later forward may be one that is differentiated, which no inference tensor may take part in.
        with torch.inference_mode(mode=False), torch.no_grad():
            return make(*args, **kwargs)

    return traced(kept, make)


def operator(name: str, run: Callable[..., Any], fake: Callable[..., Any], changes: Sequence[str] = ()) -> Any:
    """torch.ops.perdure.`name`, whose schema is made of the annotations of `run`.

    `fake` gives tensors of the shapes, dtypes and strides that `run` gives, `changes` are the arguments that it writes to.
    What `run` returns shares no memory with what it was given. There is no gradient: asking for one raises
    NotImplementedError.
    """
    _LIBRARY.define(name + library.infer_schema(run, mutates_args=changes))  # type: ignore[no-untyped-call]
    _LIBRARY.impl(name, run, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    library.register_fake(f"perdure::{name}", fake, lib=_LIBRARY)
    if not changes:
        library.register_autograd(f"perdure::{name}", _no_gradient(name), lib=_LIBRARY)
    return getattr(torch.ops.perdure, name).default


def _no_gradient(name: str) -> Callable[..., NoReturn]:
    def backward(*_: object) -> NoReturn:
        raise NotImplementedError(f"{name} has no gradient in a compiled graph: call it under torch.no_grad()")

    return backward
