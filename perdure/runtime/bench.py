"""A quick measurement for `perdure bench`: how soon a chat goes on after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from .runtime import Runtime

LENGTHS = (512, 2048)
REPETITIONS = 5
_SENTENCE = "The harbour was quiet that morning, and nobody knew why the boats had not gone out. "


def quick(runtime: Runtime, *, progress: Callable[[int, int], None] | None = None) -> Sequence[Mapping[str, Any]]:
    """Rows of medians in milliseconds, on the runtime's own store: cold prefill, resume, fork, a turn's commit."""
    fitting = [n for n in LENGTHS if n + 64 < runtime.model.context_length]
    rows = []
    for done, tokens in enumerate(fitting, 1):
        rows.append(_row(runtime, tokens))
        if progress is not None:
            progress(done, len(fitting))
    return rows


def _row(runtime: Runtime, tokens: int) -> dict[str, Any]:
    name = f"bench-{tokens}"
    with runtime.session(name) as session:
        cold = session.chat(_prompt(runtime, tokens), max_tokens=1, temperature=0.0).receipt
        turn = session.chat("Go on.", max_tokens=64, temperature=0.0).receipt
    resumed = median(_resumes(runtime, name))
    return {
        "tokens": cold.prefilled,
        "cold prefill ms": cold.prefill_ms,
        "resume ms": resumed,
        "speed-up": cold.prefill_ms / resumed,
        "fork ms": median(_forks(runtime, name)),
        "commit ms": turn.commit_ms,
        "commit KiB": turn.bytes_written / 1024,
    }


def _resumes(runtime: Runtime, name: str) -> Iterator[float]:
    """Times from opening the session to its boundary logits, its KV restored."""
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        with runtime.session(name) as session:
            session.logits()
            yield 1e3 * (time.perf_counter() - began)


def _forks(runtime: Runtime, name: str) -> Iterator[float]:
    for index in range(REPETITIONS):
        began = time.perf_counter()
        runtime.repository.fork(name, f"{name}-fork-{index}")
        yield 1e3 * (time.perf_counter() - began)


def _prompt(runtime: Runtime, tokens: int) -> str:
    per_sentence = runtime.loaded.chat.count(_SENTENCE)
    return _SENTENCE * max(1, (tokens - 48) // per_sentence)
