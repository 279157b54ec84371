"""A repository with sessions that no model computed: KV is random bytes, everything else is as a turn writes it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perdure.memory.draft import Draft, NewBlock
from perdure.memory.recipe import PARTS, Recipe
from perdure.memory.records import Message
from perdure.memory.repository import Repository
from perdure.memory.tokenlog import PREFILL, Run, blocks, grid, lineage
from perdure.memory.workingcopy import WorkingCopy

RECIPE = Recipe.of(**{part: f"some {part}" for part in PARTS})
KV_BYTES_PER_TOKEN = 1024

Turn = Callable[..., WorkingCopy]


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    with Repository.open(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def turn(repository: Repository) -> Turn:
    return lambda name, text="Hello.", **options: add_turn(repository, name, text, **options)


def add_turn(repository: Repository, name: str, text: str = "Hello.", *, tokens: int = 100) -> WorkingCopy:
    """Append a turn to a session (made if need be) as the runtime does; returns the released working copy."""
    if not repository.exists(name):
        repository.create(name, RECIPE, model="none", seed=1)
    copy = repository.working_copy(name)
    copy.acquire()
    rng = random.Random(f"{name} {text} {copy.head.turn}")
    start = copy.head.tokens
    feed = tuple(rng.randrange(300) for _ in range(tokens))
    copy.begin_turn([Message("user", text)], feed, start, {"max_tokens": 1})
    end = start + tokens
    said = [Message("user", text, start, end, 1), Message("assistant", f"Answer to {text}", end, end, 2)]
    copy.commit(_draft(copy, feed, said, rng))
    copy.release()
    return copy


def _draft(copy: WorkingCopy, feed: tuple[int, ...], said: list[Message], rng: random.Random) -> Draft:
    start, state = copy.head.tokens, copy.head.state
    tip, made = state.lineage if state else b"", []
    forwards = list(grid(start, start + len(feed)))
    for block in blocks(start, start + len(feed)):
        count = block.end - block.start
        tip = lineage(RECIPE.digest, tip, feed[block.start - start : block.end - start], forwards)
        payload = rng.randbytes(count * KV_BYTES_PER_TOKEN)
        made.append(NewBlock(count, tip, {"start": block.start}, lambda data=payload: data))  # type: ignore[misc]
    return Draft(
        kind="turn",
        recipe=RECIPE.to_meta(),
        runs=[Run(PREFILL, start, feed)],
        blocks=made,
        messages=said,
        boundary=({"pos": start + len(feed)}, rng.randbytes(64)),
        logits=rng.randbytes(32),
        lineage=tip,
        seed=1,
        reason="stop",
        answers=1,
    )


def contents(repository: Repository) -> dict[str, list[tuple[str, str]]]:
    """Every session's conversation."""
    return {info.name: [(m.role, m.content) for m in repository.messages(info.name)] for info in repository.sessions()}
