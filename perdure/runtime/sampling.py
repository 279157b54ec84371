"""Drawing the next token. The draw depends on logits, settings, seed, position and the conversation's tokens alone.

So a resume draws what the session that never stopped would have drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from blake3 import blake3
from torch import Tensor

from ..config import Sampling
from ..errors import InvalidInput
from .records import Score
from .text import token_bytes

if TYPE_CHECKING:
    from .models import LoadedModel

LIKELY = 1024
"""Of so many tokens the nucleus is looked for first."""

COLDEST = 1e-6
"""Temperatures below are as good as 0."""


class Drawn(NamedTuple):
    """A token, and its score where one was asked for."""

    token: int
    score: Score | None


class Sampler:
    """Draws the tokens of one answer. `before` are the conversation's tokens up to it."""

    def __init__(self, loaded: LoadedModel, settings: Sampling, seed: int, before: Sequence[int]) -> None:
        self._loaded = loaded
        self._settings = settings
        self._seed = seed
        self._before = frozenset(before) if settings.repetition_penalty != 1.0 else frozenset()
        self._grammar = loaded.grammars.start(settings.grammar) if settings.grammar else None

    def draw(self, logits: Tensor, position: int, answer: Sequence[int]) -> Drawn:
        """The token at `position` from float32 logits [vocab], after those of `answer`."""
        scores = penalised(logits, self._settings, self._before, answer)
        if self._grammar is not None:
            forbidden = torch.from_numpy(~self._grammar.allowed(scores.numel())).to(scores.device)
            scores = scores.masked_fill(forbidden, float("-inf"))
        token = sample(scores, self._settings, self._seed, position)
        if self._grammar is not None:
            self._grammar.take(token)
        return Drawn(token, self._score(logits, token))

    def _score(self, logits: Tensor, token: int) -> Score | None:
        if self._settings.logprobs is None:
            return None
        known = logits.log_softmax(-1)
        best = known.topk(min(self._settings.logprobs, known.numel()))
        likeliest = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        top = tuple(Score(each, self._bytes(each), value) for each, value in likeliest)
        return Score(token, self._bytes(token), float(known[token]), top)

    def _bytes(self, token: int) -> bytes:
        return token_bytes(self._loaded.tokenizer, token)


def check(loaded: LoadedModel, settings: Sampling) -> None:
    """Raises InvalidInput for settings that this model cannot follow."""
    size = loaded.tokenizer.backend_tokenizer.get_vocab_size()
    beyond = next((token for token, _ in settings.logit_bias if token >= size), None)
    if beyond is not None:
        raise InvalidInput(f"logit_bias names token {beyond}; {loaded.info.name} has {size} tokens, numbered from 0.")
    if settings.grammar:
        loaded.grammars.start(settings.grammar)


def penalised(logits: Tensor, settings: Sampling, before: frozenset[int], answer: Sequence[int]) -> Tensor:
    """The logits with biases and penalties for what was said already; the same tensor where there are none."""
    counts = Counter(answer)
    seen = before.union(counts) if settings.repetition_penalty != 1.0 else frozenset()
    if not (seen or settings.logit_bias or (counts and (settings.frequency_penalty or settings.presence_penalty))):
        return logits
    scores = logits.clone()
    for token, bias in settings.logit_bias:
        scores[token] += bias
    if seen:
        at = torch.tensor(sorted(seen), device=scores.device)
        old, by = scores[at], settings.repetition_penalty
        scores[at] = torch.where(old > 0, old / by, old * by)
    if counts:
        at = torch.tensor(list(counts), device=scores.device)
        times = torch.tensor([float(n) for n in counts.values()], device=scores.device)
        scores[at] -= times * settings.frequency_penalty + settings.presence_penalty
    return scores


def sample(logits: Tensor, settings: Sampling, seed: int, position: int) -> int:
    """The token at `position` from float32 logits [vocab]. Temperature 0 takes the greatest (the first of equals).

    So does one below `COLDEST`, which float32 could not divide by.
    """
    if settings.temperature < COLDEST:
        return int(logits.argmax())
    scores = logits / settings.temperature
    if settings.top_k:
        scores = _keep_top_k(scores, settings.top_k)
    probabilities = scores.softmax(-1)
    if settings.min_p:
        probabilities = probabilities * (probabilities >= settings.min_p * probabilities.max())
    if settings.top_p < 1.0:
        probabilities = _keep_nucleus(probabilities, settings.top_p)
    return _draw(probabilities, _uniform(seed, position))


def _keep_top_k(scores: Tensor, k: int) -> Tensor:
    kth = scores.topk(min(k, scores.numel())).values[-1]
    return scores.masked_fill(scores < kth, float("-inf"))


def _keep_nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The smallest set of most probable tokens whose mass reaches top_p (Holtzman et al. 2020).

    Mostly it lies within the first `LIKELY` ones, and those alone are sorted then: with the same outcome, ties included, in
    a quarter of the time.
    """
    likely = _likely(probabilities)
    ordered, order = probabilities[likely].sort(descending=True, stable=True)
    outside = _outside(ordered, top_p)
    if not outside[-1:].any() and len(likely) < len(probabilities):
        likely = torch.arange(len(probabilities))
        ordered, order = probabilities.sort(descending=True, stable=True)
        outside = _outside(ordered, top_p)
    kept = torch.zeros_like(probabilities)
    inside = likely[order[~outside]]
    kept[inside] = probabilities[inside]
    return kept


def _outside(ordered: Tensor, top_p: float) -> Tensor:
    """Which of the probabilities, greatest first, the nucleus leaves out: never the first, however small top_p is."""
    outside = ordered.cumsum(-1) - ordered >= top_p
    outside[0] = False
    return outside


def _likely(probabilities: Tensor) -> Tensor:
    """The indices, in rising order, of the `LIKELY` most probable tokens and of all that equal the last of them."""
    least = probabilities.topk(min(LIKELY, len(probabilities))).values[-1]
    return (probabilities >= least).nonzero()[:, 0]


def _draw(probabilities: Tensor, u: float) -> int:
    cumulative = probabilities.double().cumsum(-1)
    last = int(probabilities.nonzero()[-1])
    return int(torch.searchsorted(cumulative, cumulative[-1] * u, right=True).clamp(max=last))


def _uniform(seed: int, position: int) -> float:
    """A number in [0, 1) that depends on (seed, position) only."""
    digest = blake3(b"perdure/draw/v1\0" + seed.to_bytes(8, "little") + position.to_bytes(8, "little")).digest(8)
    return (int.from_bytes(digest, "little") >> 11) / float(1 << 53)
