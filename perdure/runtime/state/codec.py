"""Nested values with tensors in them, taken apart into {path: tensor} and plain values, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

PLAIN = (bool, int, float, str, bytes, type(None))


def take_apart(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """`value` with each tensor copied into `tensors` under its path. Raises TypeError for what cannot be stored."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().clone(memory_format=torch.contiguous_format)
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"map": [[key, take_apart(item, f"{path}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [take_apart(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if isinstance(value, PLAIN):
        return value
    raise TypeError(f"{path} holds a {type(value).__name__}, which no snapshot can hold")


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor of a nested value."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        # Listed at once: a forward in another thread may add to it.
        for item in list(value.values()):
            yield from tensors_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


def put_together(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `take_apart` took apart, with copies of the tensors, so that a snapshot can be used again."""
    if not isinstance(value, Mapping):
        return value
    ((kind, content),) = value.items()
    return _MAKERS[kind](content, tensors)


def _items(content: list[Any], tensors: Mapping[str, Tensor]) -> list[Any]:
    return [put_together(item, tensors) for item in content]


_MAKERS: dict[str, Callable[[Any, Mapping[str, Tensor]], Any]] = {
    "tensor": lambda path, tensors: tensors[path].clone(),
    "map": lambda items, tensors: {key: put_together(item, tensors) for key, item in items},
    "list": _items,
    "tuple": lambda items, tensors: tuple(_items(items, tensors)),
    "dtype": lambda name, _: getattr(torch, name),
    "device": lambda name, _: torch.device(name),
}
