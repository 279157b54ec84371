"""Bytes of a working state against tokens, for models of equal width, in memory and on disk.

The states are real: allocated by the adapter, grown by `State.reserve` as a session grows them, their fixed part made by
a forward. Only the numbers in the keys and values are made up, since 256k forwards would take a day.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from perdure.config import BLOCK_TOKENS, PREFILL_GRID, CheckpointOptions
from perdure.memory.checkpoints import GRID, PROMPT, TURN, retained
from perdure.memory.commits import BLOCK, SNAPSHOT
from perdure.memory.records import Checkpoint
from perdure.runtime.encoding import block_meta, pack_snapshot, raw
from perdure.runtime.engine import Engine
from perdure.runtime.runtime import make_engine
from perdure.runtime.state.base import Group, State
from perdure.stores import codec

from ._measure import Sample
from ._state_kit import make

LENGTHS = (1_024, 4_096, 16_384, 65_536, 262_144)
STEP = 1_024
"""Tokens between two commits of the session that grows in memory; eight times as many from LONG tokens on, where no
window is measured."""

LONG = 65_536
DISK_TURN, DISK_ANSWER = 512, 200
"""Tokens of a turn of the session whose stored bytes are counted, and of the answer in it."""

HIDDEN, LAYERS = 512, 8
HEADS: dict[str, Any] = {"num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64}
COMMON: dict[str, Any] = {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "intermediate_size": 2 * HIDDEN}


class Shape(NamedTuple):
    """One model: how the picture calls it, its family and its sizes."""

    name: str
    family: str
    sizes: dict[str, Any]


SHAPES = (
    Shape("Transformer", "llama", HEADS),
    Shape(
        "sliding 5:1",
        "gemma3",
        {
            **HEADS,
            "sliding_window": 1_024,
            "layer_types": ["full_attention" if layer % 6 == 5 else "sliding_attention" for layer in range(LAYERS)],
        },
    ),
    Shape("sliding only", "mistral", {**HEADS, "sliding_window": 4_096}),
    Shape("hybrid", "jamba", {**HEADS, "attn_layer_period": 8, "attn_layer_offset": 4, "mamba_d_state": 16}),
    Shape("Mamba", "mamba", {"state_size": 16}),
    Shape("RWKV", "rwkv", {"attention_hidden_size": HIDDEN}),
)


def engine_of(shape: Shape, folder: Path) -> Engine:
    sizes = {**COMMON, **shape.sizes, "max_position_embeddings": 2 * max(LENGTHS)}
    if shape.family in ("mamba", "rwkv"):
        sizes.pop("max_position_embeddings")
    return make_engine(make(shape.family, folder, dtype="bfloat16", **sizes))[0]


def grown(engine: Engine, lengths: tuple[int, ...] = LENGTHS) -> Iterator[tuple[int, Sample]]:
    """One state that grows as a session does, measured at each length."""
    state = engine.adapter.new()
    engine.feed(state, [1, 2, 3])
    most = max((state.nbytes(group, 8 * STEP) for group in engine.adapter.groups), default=0)
    numbers = torch.frombuffer(bytearray(os.urandom(max(1, most))), dtype=torch.uint8)
    slides = any(group.window is not None for group in engine.adapter.groups)
    for length in sorted(lengths):
        while state.seen < length:
            step = STEP if slides or state.seen < LONG else 8 * STEP
            _step(engine, state, min(step, length - state.seen), numbers)
        yield length, _bytes(engine, state)
    state.release()


def _step(engine: Engine, state: State, tokens: int, numbers: torch.Tensor) -> None:
    """A turn of so many tokens: room, keys and values, a commit."""
    state.reserve(state.seen + tokens)
    for group in engine.adapter.groups:
        state.load(group, state.seen, tokens, raw(numbers[: state.nbytes(group, tokens)]))
    state.seen += tokens
    state.settle(state.seen)
    state.check()


def _bytes(engine: Engine, state: State) -> Sample:
    analytic = sum(kind.nbytes(state.seen) for kind in engine.adapter.layers())
    snapshot = state.snapshot()
    fixed = snapshot.nbytes if snapshot else 0
    held = fixed + sum(_read(state, group) for group in engine.adapter.groups)
    allocated = sum(storage.values() if (storage := allocations(state)) else ())
    return {
        "held_bytes": float(held),
        "analytic_bytes": float(analytic),
        "allocated_bytes": float(allocated),
        "held_over_analytic": held / analytic,
        "slack": allocated / held - 1,
        "fixed_bytes": float(fixed),
    }


def _read(state: State, group: Group) -> int:
    """Bytes of what the next forward reads of a group, taken out of the state in pieces."""
    start, piece = group.floor(state.seen), 8 * STEP
    return sum(state.export(group, at, min(at + piece, state.seen)).nbytes for at in range(start, state.seen, piece))


def allocations(state: State) -> dict[int, int]:
    """{address: bytes} of all memory that the tensors of a state lie in, room for more tokens included."""
    found: dict[int, int] = {}
    known: set[int] = set()
    waiting: list[Any] = [state]
    while waiting:
        item = waiting.pop()
        if id(item) in known:
            continue
        known.add(id(item))
        if isinstance(item, torch.Tensor):
            storage = item.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        elif hasattr(item, "__dict__"):
            waiting.extend(value for name, value in vars(item).items() if name not in ("_adapter", "_pool", "config"))
    found.pop(0, None)
    return found


class Disk(NamedTuple):
    """Stored bytes of a session: the layers that read everything, the sliding ones, and the snapshots that are kept."""

    full: int
    windows: int
    snapshots: int
    kept: int


def stored(engine: Engine, lengths: tuple[int, ...] = LENGTHS) -> Iterator[tuple[int, Disk]]:
    """What a session's head refers to, with the default CheckpointOptions: records of blocks and snapshots.

    One record of each kind is encoded as the store would, its size counts for all. Token log, messages, commits and the
    journal (about 20 kB for a turn of 128 tokens) are left out, they do not depend on the family.
    """
    full, windows, snapshot = _records(engine)
    marks: list[Checkpoint] = []
    options, at = CheckpointOptions(), 0
    for length in sorted(lengths):
        while at < length and snapshot:
            at += DISK_TURN
            marks = retained([*marks, *_marks(at, snapshot)], options)
        blocks = length // BLOCK_TOKENS
        yield length, Disk(blocks * full, blocks * windows, len(marks) * snapshot, len(marks))


def _records(engine: Engine) -> tuple[int, int, int]:
    """Bytes of a block's record of the full group, of the windows', and of a snapshot's; 0 where there is none."""
    state = engine.adapter.new()
    engine.feed(state, list(range(3, 3 + BLOCK_TOKENS)))
    sizes = {
        group.window is not None: len(
            codec.encode(BLOCK, (), block_meta(state, group, 0, BLOCK_TOKENS), raw(state.export(group, 0, BLOCK_TOKENS)))[1]
        )
        for group in engine.adapter.groups
    }
    found = state.snapshot()
    if found is None:
        return sizes.get(False, 0), sizes.get(True, 0), 0
    meta, payload = pack_snapshot(found, engine)
    return sizes.get(False, 0), sizes.get(True, 0), len(codec.encode(SNAPSHOT, (), meta, payload)[1])


def _marks(end: int, nbytes: int) -> list[Checkpoint]:
    """The snapshots that the turn which ends at token `end` takes."""
    turn = end // DISK_TURN
    grid = [Checkpoint(at, GRID, turn, nbytes, b"") for at in range(end - DISK_TURN + PREFILL_GRID, end, PREFILL_GRID)]
    return [
        *grid,
        Checkpoint(end - DISK_ANSWER, PROMPT, turn, nbytes, b""),
        Checkpoint(end, TURN, turn, nbytes, b""),
    ]
