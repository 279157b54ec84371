"""Stores filled below the model: sizes that the model cannot or need not compute. Their KV is random bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ._measure import Clock, Sample, drop_cache

BATCH = 2_000
SMALL = 256
"""Payload bytes of one object in the store of many objects."""

TOKEN_BYTES = 64
"""Payload bytes of a token in a synthetic session: a fork refers to blocks and never reads them."""


def fill_objects(path: Path, count: int) -> None:
    """A store of many small objects."""
    from perdure.stores.lmdb import LmdbStore

    with LmdbStore(path) as store:
        for start in range(0, count, BATCH):
            with store.write() as txn:
                for _ in range(start, min(start + BATCH, count)):
                    txn.put("block", os.urandom(SMALL))


def open_objects(path: Path, *, cold: bool) -> Sample:
    """Open the store, begin to read, look one object up."""
    from perdure.stores.lmdb import LmdbStore

    if cold:
        drop_cache(path)
    clock = Clock()
    store = LmdbStore(path)
    with store.read() as txn:
        digest = next(iter(txn.digests()))
        txn.get(digest)
    elapsed = clock.ms
    store.close()
    return {"open_ms": elapsed}


def fill_session(path: Path, name: str, tokens: int) -> None:
    """A session of this many tokens, committed through the repository with random bytes in place of KV."""
    from perdure.config import BLOCK_TOKENS
    from perdure.memory import Repository
    from perdure.memory.draft import Draft
    from perdure.memory.recipe import PARTS, Recipe
    from perdure.memory.tokenlog import PREFILL, Run

    recipe = Recipe.of(**dict.fromkeys(PARTS, "synthetic"))
    with Repository.open(path) as repository:
        repository.create(name, recipe, model="synthetic", seed=1)
        copy = repository.working_copy(name)
        copy.acquire()
        runs = [Run(PREFILL, 0, tuple(number % 1_000 for number in range(tokens)))]
        blocks = list(_blocks(tokens, BLOCK_TOKENS))
        copy.commit(Draft("turn", recipe.to_meta(), runs, blocks, reason="stop", answers=1))
        copy.release()


def fork_session(path: Path, name: str, number: int) -> Sample:
    """A durable fork, removed again."""
    from perdure.memory import Repository

    with Repository.open(path, create=False) as repository:
        clock = Clock()
        repository.fork(name, f"fork-{number}")
        elapsed = clock.ms
        repository.remove(f"fork-{number}")
    return {"fork_ms": elapsed}


def _blocks(tokens: int, block: int) -> Iterator[Any]:
    from perdure.memory.draft import NewBlock

    for start in range(0, tokens, block):
        size = min(block, tokens - start)
        yield NewBlock(size, os.urandom(32), {"start": start, "tokens": size}, partial(os.urandom, size * TOKEN_BYTES))
