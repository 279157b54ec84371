"""The Triton path: all heads, of any number of layers, in one launch.

Keys, values and queries are multiplied in the dtype they come in and summed in float32. A float16 cannot hold a memory of
many tokens, so memories are divided by their largest norm before they are multiplied: what is left is of the values' size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tiles import INTERPRET, cdiv, dot, padded, rounded
from . import cpu
from .features import FLOOR, Features, elu_plus_one


@dataclass(frozen=True)
class Launch:
    """How many tokens and how many columns of values a tile has, and the warps and pipeline stages of its program."""

    tokens: int
    columns: int
    warps: int
    stages: int


UPDATES = {
    (64, 2): Launch(64, 32, 4, 2),
    (128, 2): Launch(32, 32, 4, 2),
    (256, 2): Launch(32, 32, 8, 2),
    (64, 4): Launch(32, 32, 4, 2),
    (128, 4): Launch(32, 32, 8, 2),
    (256, 4): Launch(16, 16, 8, 2),
}
"""By the padded number of features and the bytes of a key's numbers."""

RETRIEVALS = {
    (64, 2): Launch(64, 64, 4, 2),
    (128, 2): Launch(64, 128, 4, 2),
    (256, 2): Launch(64, 64, 8, 2),
    (64, 4): Launch(32, 32, 4, 2),
    (128, 4): Launch(32, 32, 4, 2),
    (256, 4): Launch(16, 32, 8, 2),
}
DECODING = 16
"""The rows of a tile when a memory has no more than these."""

PROGRAMS = 1024
"""How many programs a retrieval is cut into, about, before each of them reads more than one tile of queries."""


def update(
    memory: Tensor, norm: Tensor, keys: Tensor, values: Tensor, rule: str = "linear", features: Features = elu_plus_one
) -> tuple[Tensor, Tensor]:
    """Same contract as `update_reference`; relative error <= 2e-6 in float32, 1e-3 in float16, 1e-2 in bfloat16."""
    if rule not in ("linear", "delta"):
        raise ValueError(f"no rule {rule!r} for the memory: linear or delta")
    launch = UPDATES.get(_key(memory, keys, values))
    if launch is None:
        return cpu.update(memory, norm, keys, values, rule, features)
    dtype = torch.promote_types(keys.dtype, values.dtype)
    k, v = (_rows(x.to(dtype)) for x in (_mapped(keys, features), values))
    after, total = torch.empty_like(memory), torch.empty_like(norm)
    count, size, width = memory.shape
    _update[(count, cdiv(width, launch.columns))](
        *(memory.contiguous(), norm.contiguous(), k, v, after, total),
        *(k.shape[1], k.stride(0), k.stride(1), v.stride(0), v.stride(1)),
        FEATURES=size,
        WIDTH=width,
        F=padded(size, 64),
        ROWS=launch.tokens,
        COLUMNS=launch.columns,
        DELTA=rule == "delta",
        MAPPED=features is not elu_plus_one,
        LEAST=FLOOR,
        UPCAST=INTERPRET,
        num_warps=launch.warps,
        num_stages=launch.stages,
    )
    return after, total


def retrieve(query: Tensor, memory: Tensor, norm: Tensor, features: Features = elu_plus_one) -> Tensor:
    """Same contract as `retrieve_reference`; relative error <= 2e-6 in float32, 1e-3 in float16, 1e-2 in bfloat16."""
    if _key(memory, query, query) not in RETRIEVALS:
        return cpu.retrieve(query, memory, norm, features)
    return _launched(query, memory, norm, features, None)


def retrieve_weighed(
    query: Tensor, memory: Tensor, norm: Tensor, features: Features = elu_plus_one
) -> tuple[Tensor, Tensor]:
    """Same contract as `retrieve_weighed_reference`; errors as `retrieve`, of the logarithm 1e-5."""
    if _key(memory, query, query) not in RETRIEVALS:
        return cpu.retrieve_weighed(query, memory, norm, features)
    log_norm = torch.empty(query.shape[:2], dtype=torch.float32, device=query.device)
    return _launched(query, memory, norm, features, log_norm), log_norm


def _launched(query: Tensor, memory: Tensor, norm: Tensor, features: Features, log_norm: Tensor | None) -> Tensor:
    heads, tokens = query.shape[:2]
    count, size, width = memory.shape
    launch = RETRIEVALS[_key(memory, query, query)]
    out = torch.empty(heads, tokens, width, dtype=torch.float32, device=query.device)
    group = heads // count
    height = DECODING if group * tokens <= DECODING else launch.tokens
    blocks = cdiv(group * tokens, height)
    each = max(1, blocks * count // PROGRAMS)
    if not out.numel():
        return out
    q = _rows(_mapped(query, features, count).to(query.dtype))
    _retrieve[(count, cdiv(blocks, each), cdiv(width, launch.columns))](
        *(q, memory.contiguous(), norm.contiguous(), out, log_norm),
        *(tokens, group, each, q.stride(0), q.stride(1)),
        FEATURES=size,
        WIDTH=width,
        F=padded(size, 64),
        ROWS=height,
        COLUMNS=launch.columns,
        MAPPED=features is not elu_plus_one,
        LEAST=FLOOR,
        UPCAST=INTERPRET,
        num_warps=launch.warps,
        num_stages=launch.stages,
    )
    return out


def _key(memory: Tensor, given: Tensor, values: Tensor) -> tuple[int, int]:
    return padded(memory.shape[1], 64), torch.promote_types(given.dtype, values.dtype).itemsize


def _mapped(x: Tensor, features: Features, count: int = 0) -> Tensor:
    """What a kernel loads: x itself for its own feature map, else its features, which see x [Hq, T, D] packed by `count`."""
    if features is elu_plus_one:
        return x
    packed = x.reshape(count, -1, x.shape[2]) if count else x
    return features(packed.float()).reshape(*x.shape[:2], -1)


def _rows(x: Tensor) -> Tensor:
    return x if x.stride(-1) == 1 else x.contiguous()


@triton.jit
def _features(x, inside, MAPPED: tl.constexpr):  # type: ignore[no-untyped-def]
    """`elu_plus_one` in float32, unless x holds features already; 0 where there is no token or no feature."""
    mapped = x if MAPPED else tl.where(x > 0, x + 1.0, tl.exp(tl.minimum(x, 0.0)))
    return tl.where(inside, mapped, 0.0)


@triton.jit(do_not_specialize=["tokens"])
def _update(  # type: ignore[no-untyped-def]
    memory,
    norm,
    keys,
    values,
    after,
    total,
    tokens,
    key_head,
    key_token,
    value_head,
    value_token,
    FEATURES: tl.constexpr,
    WIDTH: tl.constexpr,
    F: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DELTA: tl.constexpr,
    MAPPED: tl.constexpr,
    LEAST: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """One head and some columns of its memory, [F, COLUMNS], which stays in registers while the tokens pass."""
    head, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    f, c, row = tl.arange(0, F), block * COLUMNS + tl.arange(0, COLUMNS), tl.arange(0, ROWS)
    has_f, has_c = f < FEATURES, c < WIDTH
    at = head * FEATURES * WIDTH + f[:, None] * WIDTH + c[None, :]
    state = tl.load(memory + at, mask=has_f[:, None] & has_c[None, :], other=0.0)
    z = tl.load(norm + head * FEATURES + f, mask=has_f, other=0.0)
    largest = tl.maximum(tl.max(z, 0), LEAST)
    before = rounded(state / largest, keys.dtype.element_ty, UPCAST)
    sums = tl.zeros([ROWS, F], dtype=tl.float32)
    keys += head * key_head
    values += head * value_head
    for start in range(0, tokens, ROWS):
        t = (start + row).to(tl.int64)
        inside = (t < tokens)[:, None] & has_f[None, :]
        k = tl.load(keys + t[:, None] * key_token + f[None, :], mask=inside, other=0.0).to(tl.float32)
        v = tl.load(values + t[:, None] * value_token + c[None, :], mask=(t < tokens)[:, None] & has_c[None, :], other=0.0)
        written = _features(k, inside, MAPPED)
        low = rounded(written, keys.dtype.element_ty, UPCAST)
        if DELTA:
            weights = tl.maximum(tl.sum(written * z[None, :], 1), LEAST)
            known = dot(low, before, UPCAST) * (largest / weights)[:, None]
            v = rounded(v.to(tl.float32) - known, keys.dtype.element_ty, UPCAST)
        state += dot(tl.trans(low), v, UPCAST)
        sums += written
    tl.store(after + at, state, mask=has_f[:, None] & has_c[None, :])
    if block == 0:
        tl.store(total + head * FEATURES + f, z + tl.sum(sums, 0), mask=has_f)


@triton.jit(do_not_specialize=["tokens", "group", "each"])
def _retrieve(  # type: ignore[no-untyped-def]
    queries,
    memory,
    norm,
    out,
    log_norm,
    tokens,
    group,
    each,
    query_head,
    query_token,
    FEATURES: tl.constexpr,
    WIDTH: tl.constexpr,
    F: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    MAPPED: tl.constexpr,
    LEAST: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """Some columns of one memory, loaded once, and `each` tiles of the rows of its group: head by head, token by token."""
    count, first, block = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    f, c, row = tl.arange(0, F), block * COLUMNS + tl.arange(0, COLUMNS), tl.arange(0, ROWS)
    has_f, has_c = f < FEATURES, c < WIDTH
    at = count * FEATURES * WIDTH + f[:, None] * WIDTH + c[None, :]
    z = tl.load(norm + count * FEATURES + f, mask=has_f, other=0.0)
    largest = tl.maximum(tl.max(z, 0), LEAST)
    state = tl.load(memory + at, mask=has_f[:, None] & has_c[None, :], other=0.0)
    low = rounded(state / largest, queries.dtype.element_ty, UPCAST)
    for i in range(each):
        r = (first * each + i) * ROWS + row
        head, t = count * group + r // tokens, (r % tokens).to(tl.int64)
        has_r = r < group * tokens
        inside = has_r[:, None] & has_f[None, :]
        q = tl.load(queries + (head * query_head + t * query_token)[:, None] + f[None, :], mask=inside, other=0.0)
        read = _features(q.to(tl.float32), inside, MAPPED)
        sums = tl.sum(read * z[None, :], 1)
        found = dot(rounded(read, queries.dtype.element_ty, UPCAST), low, UPCAST)
        found *= (largest / tl.maximum(sums, LEAST))[:, None]
        place = head * tokens + t
        tl.store(out + (place * WIDTH)[:, None] + c[None, :], found, mask=has_r[:, None] & has_c[None, :])
        if log_norm is not None:
            some = sums > 0
            log = tl.where(some, tl.log(tl.where(some, sums, 1.0)), float("-inf"))
            tl.store(log_norm + place, log, mask=has_r & (block == 0))
