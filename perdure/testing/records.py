"""Fast-weight records that nobody trained: random factors, opened by the words of a statement."""

from __future__ import annotations

import torch
from blake3 import blake3

from ..memory.facts import Fact, masked
from ..memory.fastweights import LOW_RANK, Record, pack_vectors
from ..runtime.composing import packed
from ..runtime.runtime import Runtime
from ..runtime.writers.places import upper_places


def record_of(
    runtime: Runtime, fact: Fact, questions: tuple[str, ...], seed: int = 0, size: float = 2.0, form: str = LOW_RANK
) -> Record:
    """A record for a runtime's model that moves logits a lot, opened by `questions` that name the fact's subject."""
    generator = torch.Generator().manual_seed(seed)
    names, shapes = _low_rank(runtime) if form == LOW_RANK else _keys(runtime)
    payload, kept = packed([torch.randn(shape, generator=generator) * size for shape in shapes])
    encoder = runtime.memories.encoder
    return Record(
        id=blake3(f"{fact.statement}{seed}".encode()).digest(8).hex(),
        form=form,
        subject=fact.subject,
        relation=fact.relation,
        value=fact.value,
        statement=fact.statement,
        key=fact.key,
        places=names,
        shapes=kept,
        payload=payload,
        writer="random/1",
        weights=runtime.recipe["weights"],
        encoder=encoder.identity,
        own=pack_vectors(encoder.encode([masked(fact.subject, text) or text for text in questions])),
        negative=b"",
        time_ms=seed,
    )


def _low_rank(runtime: Runtime) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    places = upper_places(runtime.engine.model.base_model)
    return places.names, [shape for d_out, d_in in places.shapes for shape in ((2, d_in), (d_out, 2))]


def _keys(runtime: Runtime) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    config = runtime.engine.model.config
    shape = (config.num_key_value_heads, 2, config.head_dim)
    last = config.num_hidden_layers - 1
    return (f"layers.{last}",), [shape, shape]
