"""One asynchronous HTTP client for every server: streamed answers with the moment at which each piece came."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

CHAT = "/v1/chat/completions"
PATIENCE = 900.0
SEED = 7


@dataclass
class Answer:
    """Moments are those of `time.perf_counter`. `refused` counts how often it was told to try again (429)."""

    asked: float
    text: str = ""
    stamps: list[float] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)
    refused: int = 0
    waited: float = 0.0

    @property
    def first_ms(self) -> float:
        """From the request that was taken to the first text."""
        return 1e3 * (self.stamps[0] - self.asked)

    @property
    def tokens(self) -> int:
        return int(self.usage["completion_tokens"])

    @property
    def prompt(self) -> int:
        return int(self.usage["prompt_tokens"])

    @property
    def tokens_per_s(self) -> float:
        """Of all tokens after the first."""
        return (self.tokens - 1) / (self.stamps[-1] - self.stamps[0])


@dataclass(frozen=True)
class Client:
    """What is sent to one server. `never` are the tokens that end an answer, which is to have its full length.

    Answers are greedy, or `drawn` with a fixed seed: greedy ones of a small model run in loops, which are easily guessed.
    """

    address: str
    model: str
    never: Sequence[int]
    drawn: bool = False

    async def ask(
        self, http: httpx.AsyncClient, messages: Sequence[Mapping[str, str]], tokens: int, session: str | None = None
    ) -> Answer:
        """One answer of exactly so many tokens; where the server asks for patience it is asked again."""
        body = {
            "model": self.model,
            "messages": list(messages),
            "max_tokens": tokens,
            **({"temperature": 1.0, "seed": SEED} if self.drawn else {"temperature": 0}),
            "logit_bias": {str(token): -100 for token in self.never},
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        headers = {} if session is None else {"X-Session-ID": session}
        began, refused = time.perf_counter(), 0
        while True:
            answer = Answer(time.perf_counter(), refused=refused)
            answer.waited = answer.asked - began
            async with http.stream("POST", self.address + CHAT, json=body, headers=headers) as response:
                if response.status_code == 429:
                    await response.aread()
                    refused += 1
                    await asyncio.sleep(float(response.headers.get("Retry-After", "1")))
                    continue
                if response.status_code != 200:
                    said = (await response.aread()).decode(errors="replace")
                    raise RuntimeError(f"{self.address} refused: {response.status_code} {said[:500]}")
                async for line in response.aiter_lines():
                    self._read(line, answer)
            return self._whole(answer, tokens)

    def together(self, calls: Sequence[tuple[Sequence[Mapping[str, str]], int, str | None]]) -> list[Answer]:
        """All at once: (messages, tokens, session) each."""

        async def work(http: httpx.AsyncClient) -> list[Answer]:
            return list(await asyncio.gather(*(self.ask(http, *call) for call in calls)))

        answers: list[Answer] = run(work)
        return answers

    def one(self, messages: Sequence[Mapping[str, str]], tokens: int, session: str | None = None) -> Answer:
        return self.together([(messages, tokens, session)])[0]

    def _read(self, line: str, answer: Answer) -> None:
        if not line.startswith("data: ") or line == "data: [DONE]":
            return
        frame = json.loads(line[6:])
        if "error" in frame:
            raise RuntimeError(f"{self.address} failed in the middle of an answer: {frame['error']}")
        piece = "".join(choice["delta"].get("content") or "" for choice in frame.get("choices", []))
        if piece:
            answer.text += piece
            answer.stamps.append(time.perf_counter())
        for name in ("usage", "memory", "timings"):
            if frame.get(name):
                setattr(answer, name, frame[name])

    def _whole(self, answer: Answer, tokens: int) -> Answer:
        if not answer.stamps or answer.tokens != tokens:
            raise RuntimeError(f"{self.address} gave {answer.usage} where {tokens} tokens were asked for.")
        return answer


def run(work: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Have some work done with a new client, whose connections are as many as it wants."""

    async def inside() -> Any:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(timeout=PATIENCE, limits=limits, trust_env=False) as http:
            return await work(http)

    return asyncio.run(inside())


def aggregate(answers: Sequence[Answer]) -> float:
    """Tokens a second of all, from when each has begun until the first has ended. Pieces that came stand for tokens."""
    begun, over = max(a.stamps[0] for a in answers), min(a.stamps[-1] for a in answers)
    within = [[stamp for stamp in answer.stamps if begun < stamp <= over] for answer in answers]
    shares = (len(part) * answer.tokens / len(answer.stamps) for part, answer in zip(within, answers, strict=True))
    return sum(shares) / (over - begun)
