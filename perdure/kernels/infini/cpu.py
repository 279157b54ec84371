"""The CPU path: float32, the queries of a KV head's group packed as rows of one product."""

from __future__ import annotations

import torch
from torch import Tensor

from .features import FLOOR, Features, elu_plus_one


def update(
    memory: Tensor, norm: Tensor, keys: Tensor, values: Tensor, rule: str = "linear", features: Features = elu_plus_one
) -> tuple[Tensor, Tensor]:
    """Same contract as `update_reference`; relative error <= 2e-6, whatever the dtype of keys and values."""
    written, added = features(keys.float()), values.float()
    if rule == "delta":
        added = added - _read(written, memory, norm)
    elif rule != "linear":
        raise ValueError(f"no rule {rule!r} for the memory: linear or delta")
    return torch.baddbmm(memory, written.transpose(-1, -2), added), norm + written.sum(1)


def retrieve(query: Tensor, memory: Tensor, norm: Tensor, features: Features = elu_plus_one) -> Tensor:
    """Same contract as `retrieve_reference`; relative error <= 2e-6, whatever the dtype of query."""
    packed = query.reshape(memory.shape[0], -1, query.shape[2])
    return _read(features(packed.float()), memory, norm).reshape(*query.shape[:2], -1)


def retrieve_weighed(
    query: Tensor, memory: Tensor, norm: Tensor, features: Features = elu_plus_one
) -> tuple[Tensor, Tensor]:
    """Same contract as `retrieve_weighed_reference`; relative error of out <= 2e-6, absolute error of log_norm <= 1e-5."""
    packed = features(query.reshape(memory.shape[0], -1, query.shape[2]).float())
    weights = torch.bmm(packed, norm.unsqueeze(-1))
    out = torch.bmm(packed, memory).div_(weights.clamp_min(FLOOR))
    return out.reshape(*query.shape[:2], -1), weights.log_().reshape(query.shape[:2])


def gate(out: Tensor, local: Tensor, g: Tensor) -> Tensor:
    """g * out + (1 - g) * local, in float32 and rounded once to local's dtype.

    out is what the memory gave and local what attention gave, [..., Hq, T, Dv] both; g [Hq] lies in 0 .. 1. Where g is 0
    the result is local, where it is 1 it is out.
    """
    share = g.float()[:, None, None]
    return (share * out + (1 - share) * local).to(local.dtype)


def _read(written: Tensor, memory: Tensor, norm: Tensor) -> Tensor:
    weights = torch.bmm(written, norm.unsqueeze(-1)).clamp_min_(FLOOR)
    return torch.bmm(written, memory).div_(weights)
