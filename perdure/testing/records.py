"""Fast-weight records that nobody trained: for what needs no model, and with random factors for what does."""

from __future__ import annotations

from dataclasses import replace

import torch
from blake3 import blake3

from ..memory.facts import Fact, masked
from ..memory.fastweights import LOW_RANK, Record, Said, pack_vectors
from ..runtime.composing import packed
from ..runtime.runtime import Runtime
from ..runtime.writers.places import upper_places
from ..stores.base import Digest


def record(
    fact: Fact, *, time_ms: int = 1, uid: str = "", turn: int = 1, origin: Digest = b"", recall: float = 0.75
) -> Record:
    """A record that no model would hear, said in the session `uid` ("": nowhere), whose commit is `origin`."""
    return Record(
        id=blake3(f"{fact.statement}{time_ms}".encode()).digest(8).hex(),
        form=LOW_RANK,
        subject=fact.subject,
        relation=fact.relation,
        value=fact.value,
        statement=fact.statement,
        key=fact.key,
        places=("layers.0.mlp.down_proj",),
        shapes=((2, 3), (5, 2)),
        payload=bytes(2 * (6 + 10)),
        writer="test/1",
        weights="another model's",
        encoder="e",
        own=b"",
        negative=b"",
        sources=(Said(uid, turn, 2, 9),) if uid else (),
        origin=origin,
        time_ms=time_ms,
        measured={"recall": recall, "before": 0.0, "drift": 0.1},
    )


def record_of(
    runtime: Runtime, fact: Fact, questions: tuple[str, ...], seed: int = 0, size: float = 2.0, form: str = LOW_RANK
) -> Record:
    """A record for a runtime's model that moves logits a lot, opened by `questions` that name the fact's subject."""
    generator = torch.Generator().manual_seed(seed)
    names, shapes = _low_rank(runtime) if form == LOW_RANK else _keys(runtime)
    payload, kept = packed([torch.randn(shape, generator=generator) * size for shape in shapes])
    encoder = runtime.memories.encoder
    return replace(
        record(fact, time_ms=seed),
        form=form,
        places=names,
        shapes=kept,
        payload=payload,
        weights=runtime.recipe["weights"],
        encoder=encoder.identity,
        own=pack_vectors(encoder.encode([masked(fact.subject, text) or text for text in questions])),
        measured={},
    )


def _low_rank(runtime: Runtime) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    places = upper_places(runtime.engine.model.base_model)
    return places.names, [shape for d_out, d_in in places.shapes for shape in ((2, d_in), (d_out, 2))]


def _keys(runtime: Runtime) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    config = runtime.engine.model.config
    shape = (config.num_key_value_heads, 2, config.head_dim)
    last = config.num_hidden_layers - 1
    return (f"layers.{last}",), [shape, shape]
