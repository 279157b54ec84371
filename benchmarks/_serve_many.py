"""Many clients, many more sessions, and memory for few of them: what a restored session waits for its first token."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from ._corpus import Corpus
from ._measure import Sample
from ._serve_client import Answer, Client, run
from ._serve_peers import Child

BASES = 8
"""Conversations from which the sessions are forked, so that it is restoring which takes time, and not making them."""


@dataclass(frozen=True)
class Crowd:
    """`clients` with `sessions` in all, each session a fork of a base of `tokens` tokens with a turn of its own."""

    clients: int
    sessions: int
    tokens: int
    rounds: int
    answer: int


@dataclass
class Seen:
    """What the clients met with."""

    answers: list[Answer] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    took_s: float = 0.0

    def sample(self) -> Sample:
        """Times to first token of restored sessions, counted from the request that was taken, and with all its refusals."""
        restored = [a for a in self.answers if a.memory.get("tokens", {}).get("restored", 0) > 0]
        own = sorted(answer.first_ms for answer in restored)
        whole = sorted(answer.first_ms + 1e3 * answer.waited for answer in restored)
        return {
            "p50_ms": statistics.median(own),
            "p99_ms": percentile(own, 0.99),
            "p50_waited_ms": statistics.median(whole),
            "p99_waited_ms": percentile(whole, 0.99),
            "restored": float(len(restored)),
            "answers": float(len(self.answers)),
            "errors": float(len(self.errors)),
            "tried_again": float(sum(answer.refused for answer in self.answers)),
            "answers_per_s": len(self.answers) / self.took_s,
        }


def measure(child: Child, client: Client, corpus: Corpus, crowd: Crowd, system: Mapping[str, str]) -> Seen:
    """Make the sessions, then have every client go through its own in an order of its own, some times over."""
    names = [f"many-{number}" for number in range(crowd.sessions)]
    _make(child, client, corpus, crowd, system, names)
    seen = Seen()
    shares = [names[number :: crowd.clients] for number in range(crowd.clients)]

    async def work(http: httpx.AsyncClient) -> None:
        began = time.perf_counter()
        await asyncio.gather(*(_visit(http, client, crowd, share, n, seen) for n, share in enumerate(shares)))
        seen.took_s = time.perf_counter() - began

    run(work)
    return seen


def _make(
    child: Child, client: Client, corpus: Corpus, crowd: Crowd, system: Mapping[str, str], names: Sequence[str]
) -> None:
    for base in range(BASES):
        told = [system, {"role": "user", "content": corpus.message(crowd.tokens, seed=500 + base)}]
        client.one(told, 2, f"base-{base}")
    for number, name in enumerate(names):
        child.post(f"/v1/sessions/base-{number % BASES}/fork", {"name": name})
        client.one(_said(f"I am number {number}."), 2, name)


async def _visit(http: httpx.AsyncClient, client: Client, crowd: Crowd, names: Sequence[str], seed: int, seen: Seen) -> None:
    draw = random.Random(seed)
    for _ in range(crowd.rounds):
        for name in draw.sample(names, len(names)):
            try:
                seen.answers.append(await client.ask(http, _said("Go on, please."), crowd.answer, name))
            except (RuntimeError, httpx.HTTPError) as error:
                seen.errors.append(f"{name}: {type(error).__name__}: {error}")


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def _said(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]
