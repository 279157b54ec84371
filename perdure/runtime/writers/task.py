"""What a batch of lessons has lost: on the answers that it teaches, and on what is to stay as it was."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..engine import Engine
from .lessons import Sheet
from .upper import Acting, Upper, hooked

CANDIDATES = 48
"""Likeliest tokens of the base model, at each place on the leash, that a lesson's predictions are made among."""


class Task:
    """A batch of lessons over a model's layers from `first` on.

    Predictions are compared among few tokens: those that the lesson wants and those that the base model finds likely on
    its leash. No lesson sees another one's tokens, so that nothing of a fact is left in the record of its neighbour.
    """

    def __init__(self, engine: Engine, lessons: Sheet, first: int) -> None:
        self.sheet = lessons
        self._engine = engine
        self._upper = Upper(engine, first)
        self._prepared = self._upper.prepare(lessons.rows)
        self._taught = lessons.weight > 0
        self._whose = lessons.lesson[:, None].expand_as(self._taught)
        with engine.alone():
            base = self._upper.run(self._prepared)[lessons.held]
        self._choose(base, lessons.wanted[self._taught])
        self._weight = lessons.weight[self._taught]
        self._base = self._predicted(base, self._whose[lessons.held])

    def _choose(self, base: Tensor, wanted: Tensor) -> None:
        """The tokens that predictions are made among, and which of them each lesson sees."""
        head = self._engine.model.get_output_embeddings().weight
        likely = (base @ head.T).float().topk(CANDIDATES).indices
        self._tokens = torch.unique(torch.cat([wanted, likely.flatten()]))
        self._head = head[self._tokens]
        self._wanted = torch.searchsorted(self._tokens, wanted)
        self._seen = torch.zeros(int(self.sheet.lesson.max()) + 1, len(self._tokens), dtype=torch.bool, device=head.device)
        self._seen[self._whose[self._taught], self._wanted] = True
        whose = self._whose[self.sheet.held][:, None].expand_as(likely)
        self._seen[whose, torch.searchsorted(self._tokens, likely)] = True

    def _predicted(self, hidden: Tensor, whose: Tensor) -> Tensor:
        """Log-probabilities [n, tokens] among what the lessons `whose` see."""
        logits = (hidden @ self._head.T).float()
        found: Tensor = logits.masked_fill(~self._seen[whose], -1e4).log_softmax(-1)
        return found

    def loss(self, acting: Acting, leash: float) -> Tensor:
        """The sum of what the lessons have lost, so that no lesson's gradient knows of the others."""
        with self._engine.alone(), torch.enable_grad(), hooked(acting.hooks):
            hidden = self._upper.run(self._prepared, acting.extra)
        found = self._predicted(hidden[self._taught], self._whose[self._taught])
        total = self._mean(cross_entropy(found, self._wanted, reduction="none"), self._taught, self._weight)
        if len(self._base):
            now = self._predicted(hidden[self.sheet.held], self._whose[self.sheet.held])
            apart = (self._base.exp() * (self._base - now)).sum(-1)
            total = total + leash * self._mean(apart, self.sheet.held, torch.ones_like(apart))
        return total

    def _mean(self, values: Tensor, places: Tensor, weights: Tensor) -> Tensor:
        """The sum over lessons of the weighted means of each one's places."""
        whose = self._whose[places]
        count = torch.zeros(len(self._seen), device=weights.device).index_add_(0, whose, weights)
        return (values * weights / count[whose]).sum()
