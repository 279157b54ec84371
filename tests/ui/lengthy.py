"""A conversation as long as one likes, that no model computed: what the store holds of it is whole but for its numbers."""

from __future__ import annotations

import random
from pathlib import Path

from perdure.memory.draft import Draft, NewBlock
from perdure.memory.recipe import Recipe
from perdure.memory.records import Message
from perdure.memory.repository import Repository
from perdure.memory.tokenlog import PREFILL, Run, blocks, grid, lineage
from perdure.memory.workingcopy import WorkingCopy

TURN = 12_800
PAYLOAD = 16
LAYERS = 30


def lengthy(store: Path, name: str, like: str, tokens: int) -> None:
    """A session of that many tokens, by the recipe of the session `like`. It has 30 layers, whatever the model has."""
    with Repository.open(store) as repository:
        recipe = repository.recipe(repository.info(like).head)
        repository.create(name, recipe, model="long", seed=1)
        copy = repository.working_copy(name)
        copy.acquire()
        for start in range(0, tokens, TURN):
            _turn(copy, recipe, start, min(TURN, tokens - start))
        copy.release()


def _turn(copy: WorkingCopy, recipe: Recipe, start: int, count: int) -> None:
    rng = random.Random(start)
    feed = tuple(rng.randrange(300) for _ in range(count))
    text = f"Turn at {start}."
    copy.begin_turn([Message("user", text)], feed, start, {"max_tokens": 1})
    end = start + count
    said = [Message("user", text, start, end, 1), Message("assistant", "So be it.", end, end, 2)]
    tip = copy.head.state.lineage if copy.head.state else b""
    made = []
    for block in blocks(start, end):
        tip = lineage(recipe.digest, tip, feed[block.start - start : block.end - start], list(grid(start, end)))
        payload = rng.randbytes(PAYLOAD)
        made.append(NewBlock(block.end - block.start, tip, {"start": block.start}, lambda data=payload: data))  # type: ignore[misc]
    layers = [[layer, "attention", 256, None, 0] for layer in range(LAYERS)]
    copy.commit(
        Draft(
            kind="turn",
            recipe=recipe.to_meta(),
            runs=[Run(PREFILL, start, feed)],
            blocks=made,
            messages=said,
            boundary=({"pos": end}, rng.randbytes(64)),
            logits=rng.randbytes(32),
            lineage=tip,
            seed=1,
            reason="stop",
            answers=1,
            layout={"layers": layers},
        )
    )
