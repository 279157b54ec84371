"""Stores filled below the model: sizes that the model cannot or need not compute. Their KV is random bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    """A session of this many tokens without a model, in the layout that `perdure.memory` writes.

    This is the one place that must follow that layout: kinds, the order of refs and the ref's name.
    """
    from perdure.stores.lmdb import LmdbStore

    from perdure.config import BLOCK_TOKENS

    with LmdbStore(path) as store, store.write() as txn:
        blocks = [txn.put("block", payload) for payload in _payloads(tokens, BLOCK_TOKENS)]
        commit = txn.put("commit", refs=blocks, meta=_commit_meta(tokens))
        txn.set_ref(f"heads/{name}", None, commit, meta={"uid": f"synthetic-{name}"}, reason="synthetic")


def fork_session(path: Path, name: str, number: int) -> Sample:
    """A durable fork, removed again."""
    from perdure.memory import Repository

    with Repository.open(path, create=False) as repository:
        clock = Clock()
        repository.fork(name, f"fork-{number}")
        elapsed = clock.ms
        repository.remove(f"fork-{number}")
    return {"fork_ms": elapsed}


def _payloads(tokens: int, block: int) -> Iterator[bytes]:
    for start in range(0, tokens, block):
        yield os.urandom(min(block, tokens - start) * TOKEN_BYTES)


def _commit_meta(tokens: int) -> dict[str, Any]:
    return {"kind": "import", "tokens": tokens, "messages": 1, "turn": 1, "title": "synthetic", "time_ms": 0}
