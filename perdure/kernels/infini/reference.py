"""The readable definition of Infini-attention's memory (Munkhdalai et al. 2024, arXiv 2404.07143, eqs. 3-5)."""

from __future__ import annotations

from torch import Tensor

from .features import FLOOR, Features, elu_plus_one


def update_reference(
    memory: Tensor, norm: Tensor, keys: Tensor, values: Tensor, rule: str = "linear", features: Features = elu_plus_one
) -> tuple[Tensor, Tensor]:
    """The memory after one more block of T keys and values, the given one unchanged.

    memory [Hkv, F, Dv] and norm [Hkv, F] in float32, F the number of features (D unless the map changes it), both zero
    at the start; keys [Hkv, T, D] without positions, values [Hkv, T, Dv]. Rule "linear" adds the values, and adding
    blocks in any order gives the same memory; "delta" adds of each value what the memory, as it was before the block,
    does not already give back for its key. Computed in float64. Returns memory and norm in float32.
    """
    m, z, v = memory.double(), norm.double(), values.double()
    written = features(keys.double())
    if rule == "delta":
        v = v - (written @ m) / (written @ z.unsqueeze(-1)).clamp_min(FLOOR)
    elif rule != "linear":
        raise ValueError(f"no rule {rule!r} for the memory: linear or delta")
    return (m + written.transpose(-1, -2) @ v).float(), (z + written.sum(1)).float()


def retrieve_reference(query: Tensor, memory: Tensor, norm: Tensor, features: Features = elu_plus_one) -> Tensor:
    """What each query reads: a mean of the values, weighted by the products of the query's and the keys' features.

    query [Hq, T, D] without positions, Hq a multiple of Hkv; memory and norm as `update` gives them. The sum of weights
    is taken for 1e-6 where it is smaller. Computed in float64. Returns [Hq, T, Dv] in float32.
    """
    return retrieve_weighed_reference(query, memory, norm, features)[0]


def retrieve_weighed_reference(
    query: Tensor, memory: Tensor, norm: Tensor, features: Features = elu_plus_one
) -> tuple[Tensor, Tensor]:
    """What each query reads, as `retrieve_reference` gives it, and log_norm [Hq, T] in float32: the log of its weights' sum.

    log_norm merges as an lse does. A memory's weights are not on the scale of a softmax, so a bias belongs to it that was
    learned or measured. It is minus infinity for an empty memory.
    """
    group = query.shape[0] // memory.shape[0]
    read = features(query.double())
    m, z = (state.double().repeat_interleave(group, 0) for state in (memory, norm))
    weights = read @ z.unsqueeze(-1)
    return ((read @ m) / weights.clamp_min(FLOOR)).float(), weights.squeeze(-1).log().float()


def update_work(memory: Tensor, keys: Tensor, values: Tensor, rule: str = "linear") -> tuple[int, int]:
    """(bytes, floating point operations) of one `update`: everything read once, memory and norm written once."""
    count, features, width = memory.shape
    moved = keys.numel() * keys.element_size() + values.numel() * values.element_size()
    products = 2 if rule == "delta" else 1
    return moved + 8 * count * features * (width + 1), 2 * products * count * keys.shape[1] * features * (width + 1)


def retrieve_work(query: Tensor, memory: Tensor) -> tuple[int, int]:
    """(bytes, floating point operations) of one `retrieve_weighed`, whose results are float32."""
    rows, (count, features, width) = query.shape[0] * query.shape[1], memory.shape
    state = 4 * count * features * (width + 1)
    return query.numel() * query.element_size() + state + 4 * rows * (width + 1), 2 * rows * features * (width + 1)
