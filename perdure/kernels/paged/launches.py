"""How large the programs of the Triton path are, and how many of them a call takes."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from ..tiles import cdiv, padded


class Launch(NamedTuple):
    """Rows of queries and keys that a program holds at once, its warps, and its stages of loading ahead."""

    rows: int
    keys: int
    warps: int
    stages: int


CONFIGS = {
    # (bytes of a query element, padded head size, whether the cache is coded): decoding, chunks of many queries
    (2, 64, False): (Launch(16, 64, 4, 3), Launch(64, 64, 4, 3)),
    (2, 64, True): (Launch(16, 64, 4, 3), Launch(64, 32, 8, 3)),
    (2, 128, False): (Launch(16, 64, 4, 3), Launch(64, 32, 4, 3)),
    (2, 128, True): (Launch(16, 32, 4, 3), Launch(64, 32, 8, 3)),
    (2, 256, False): (Launch(16, 32, 4, 3), Launch(64, 32, 8, 2)),
    (2, 256, True): (Launch(16, 32, 8, 3), Launch(32, 16, 8, 2)),
    (4, 64, False): (Launch(16, 32, 4, 2), Launch(32, 32, 8, 2)),
    (4, 64, True): (Launch(16, 16, 4, 2), Launch(16, 32, 8, 2)),
    (4, 128, False): (Launch(16, 32, 8, 2), Launch(16, 32, 8, 2)),
    (4, 128, True): (Launch(16, 16, 8, 2), Launch(16, 16, 8, 2)),
    (4, 256, False): (Launch(16, 16, 8, 2), Launch(16, 16, 8, 2)),
    (4, 256, True): (Launch(16, 16, 8, 1), Launch(16, 16, 4, 1)),
}

PROGRAMS = 264
"""Programs that fill a GPU of 132 multiprocessors twice; fewer, and the keys are split."""

LEAST_KEYS = 256
"""Fewer keys are not worth a program of their own."""

MOST_SPLITS = 64


def chosen(query: Tensor, kv_heads: int, coded: bool, decoding: bool) -> Launch:
    """The launch configuration of a call."""
    dim = max(64, padded(query.shape[2]))
    group = query.shape[1] // kv_heads
    few, many = CONFIGS[query.element_size(), dim, coded]
    config = few if decoding else many
    return config._replace(rows=max(config.rows, padded(group)))


def split(programs: int, keys: int, multiprocessors: int) -> int:
    """Into how many parts the keys go: as many as the GPU has room for, as long as each has enough to do."""
    room = cdiv(PROGRAMS * multiprocessors, 132 * max(programs, 1))
    return max(1, min(room, cdiv(keys, LEAST_KEYS), MOST_SPLITS))


def tiles(query: Tensor, kv_heads: int, seq_lens: Tensor, cu_q: Tensor | None, config: Launch) -> int:
    """Query tiles, of which some may be empty: how the queries are spread is known to the GPU only."""
    tokens = config.rows // (query.shape[1] // kv_heads)
    return len(seq_lens) if cu_q is None else len(query) // tokens + len(seq_lens)


@cache
def multiprocessors(device: torch.device) -> int:
    if device.type != "cuda":
        return 132
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
