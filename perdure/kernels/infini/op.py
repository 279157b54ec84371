"""The memory on the path that its tensors ask for, and as operators of a compiled graph.

A feature map is a function, which no operator takes: a graph with another one than `elu_plus_one` is traced through the
products of the CPU path, which run on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..dispatch import dispatched
from ..graph import operator, traced
from . import cpu
from .features import Features, elu_plus_one

GPU = "perdure.kernels.infini.gpu"

_update = dispatched(GPU)(cpu.update)
_retrieve = dispatched(GPU)(cpu.retrieve)
_retrieve_weighed = dispatched(GPU)(cpu.retrieve_weighed)


def _updated(memory: Tensor, norm: Tensor, keys: Tensor, values: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    after, total = _update(memory, norm, keys, values, rule)
    return after.contiguous(), total.contiguous()


def _fake_updated(memory: Tensor, norm: Tensor, keys: Tensor, values: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    return memory.new_empty(memory.shape), norm.new_empty(norm.shape)


def _read(query: Tensor, memory: Tensor, norm: Tensor) -> Tensor:
    return _retrieve(query, memory, norm)


def _fake_read(query: Tensor, memory: Tensor, norm: Tensor) -> Tensor:
    return query.new_empty((*query.shape[:2], memory.shape[2]), dtype=torch.float32)


def _weighed(query: Tensor, memory: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
    return _retrieve_weighed(query, memory, norm)


def _fake_weighed(query: Tensor, memory: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
    return _fake_read(query, memory, norm), query.new_empty(query.shape[:2], dtype=torch.float32)


_UPDATE = operator("infini_update", _updated, _fake_updated)
_RETRIEVE = operator("infini_retrieve", _read, _fake_read)
_RETRIEVE_WEIGHED = operator("infini_retrieve_weighed", _weighed, _fake_weighed)


def _update_node(
    memory: Tensor, norm: Tensor, keys: Tensor, values: Tensor, rule: str = "linear", features: Features = elu_plus_one
) -> tuple[Tensor, Tensor]:
    if features is not elu_plus_one:
        return cpu.update(memory, norm, keys, values, rule, features)
    after, total = _UPDATE(memory, norm, keys, values, rule)
    return after, total


def _retrieve_node(query: Tensor, memory: Tensor, norm: Tensor, features: Features = elu_plus_one) -> Tensor:
    if features is not elu_plus_one:
        return cpu.retrieve(query, memory, norm, features)
    out: Tensor = _RETRIEVE(query, memory, norm)
    return out


def _weighed_node(query: Tensor, memory: Tensor, norm: Tensor, features: Features = elu_plus_one) -> tuple[Tensor, Tensor]:
    if features is not elu_plus_one:
        return cpu.retrieve_weighed(query, memory, norm, features)
    out, log_norm = _RETRIEVE_WEIGHED(query, memory, norm)
    return out, log_norm


update = traced(_update, _update_node)
retrieve = traced(_retrieve, _retrieve_node)
retrieve_weighed = traced(_retrieve_weighed, _weighed_node)
