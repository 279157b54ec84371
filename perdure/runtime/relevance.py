"""What a language model thinks of whether a question asks for a statement: how much likelier the one makes the other.

Query likelihood (Ponte and Croft, SIGIR 1998), less what knowing of the subject gives by itself: the pointwise mutual
information of statement and question, with the model that answers anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..errors import InvalidInput
from ..memory.fastweights import Doubt
from ..memory.records import Message
from .chat import ChatFormat, TemplateRewrites
from .engine import Engine
from .writers.upper import common

BEFORE = (Message("user", "Hello."), Message("assistant", "Hello."))
THANKS = "Thank you, I see."


class Relevance:
    """The model of an engine, asked without any record open and without leaving a trace in a session."""

    def __init__(self, engine: Engine, chat: ChatFormat) -> None:
        self._engine = engine
        self._chat = chat

    @property
    def able(self) -> bool:
        """Whether the model gives the logits of whole texts, which those with a forward of their own do not."""
        return self._engine.adapter.hears

    def gains(self, doubts: Sequence[Doubt]) -> list[float]:
        """By how many nats each statement makes its question likelier; zero where the chat template allows no such text."""
        told = [(each.question, each.statement) for each in doubts]
        bare = [(each.question, f"{each.subject[:1].upper()}{each.subject[1:]} is a person.") for each in doubts]
        rows = list(dict.fromkeys([*told, *bare]))
        try:
            found = dict(zip(rows, self._likelihoods([self._row(*row) for row in rows]), strict=True))
        except (TemplateRewrites, InvalidInput):
            return [0.0] * len(doubts)
        return [found[one] - found[other] for one, other in zip(told, bare, strict=True)]

    def _row(self, question: str, statement: str) -> tuple[tuple[int, ...], int, int]:
        """A statement said before a question: the tokens, and where in them the question begins and ends."""
        remember = Message("user", f"Remember: {statement}")
        before = self._chat.delta(BEFORE, [remember], tail_is_open=True) + self._chat.text(THANKS)
        history = [*BEFORE, remember, Message("assistant", THANKS)]
        asked, other = (tuple(self._chat.delta(history, [Message("user", q)], tail_is_open=True)) for q in (question, "."))
        start, size = common([asked, other]), self._chat.count(question)
        return (*before, *asked[: start + size]), len(before) + start, len(before) + min(start + size, len(asked))

    def _likelihoods(self, rows: Sequence[tuple[tuple[int, ...], int, int]]) -> list[float]:
        """log p of the places [start, end) of each row, given what stands before them."""
        longest = max(len(tokens) for tokens, _, _ in rows)
        padded = torch.tensor([[*tokens, *[0] * (longest - len(tokens))] for tokens, _, _ in rows])
        first = min(start for _, start, _ in rows) - 1
        with self._engine.alone():
            out = self._engine.model(
                input_ids=padded.to(self._engine.device), use_cache=False, logits_to_keep=longest - first
            )
            scores = out.logits.float().log_softmax(-1).cpu()
        found = []
        for i, (tokens, start, end) in enumerate(rows):
            places = torch.arange(start - 1, end - 1) - first
            found.append(float(scores[i, places, torch.tensor(tokens[start:end])].sum()))
        return found
