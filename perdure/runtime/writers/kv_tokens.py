"""Records as a few trained keys and values that every token of an answer attends to, beside what it reads anyway.

Prefix tuning (Li and Liang 2021, arXiv 2101.00190) on some upper layers only, begun from the keys and values of the
statement's last tokens. The keys stand nowhere: queries are turned back to no position before they meet them, so that a
record acts alike wherever in a conversation it is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from ...errors import InvalidInput
from ...memory.fastweights import KV
from ...memory.records import Message
from ..chat import ChatFormat
from ..engine import Engine
from .base import Lesson, Written
from .distill import Distilled, Settings, Trained
from .upper import Acting, Row, Upper, layer_list

ROOM, LONG = 22, 2
"""Keys and values, in each layer, of a record that is to say a whole sentence, and how much longer it is trained."""


class KVTokens(Distilled):
    """Trains keys and values for every second layer of the upper third, the last among them (docs/decisions/0015).

    Raises InvalidInput for a family whose attention cannot be listened to.
    """

    name = "kv"
    version = 2

    def __init__(self, engine: Engine, chat: ChatFormat, settings: Settings | None = None) -> None:
        super().__init__(engine, chat, settings)
        self._name, layers = layer_list(engine.model.base_model)
        self._layers = range((len(layers) - 1) - 2 * ((len(layers) - 1 - self._first) // 2), len(layers), 2)
        self._first = self._layers.start
        if not engine.adapter.hears:
            raise InvalidInput(
                f"Records of keys and values need attention that can be listened to; {engine.family} has none."
            )

    @staticmethod
    def settings() -> Settings:
        return Settings(steps=16, rate=0.1)

    def roomy(self) -> KVTokens:
        settings = replace(self._settings, tokens=ROOM, steps=LONG * self._settings.steps)
        return type(self)(self._engine, self._chat, settings)

    def _fresh(self, lessons: Sequence[Lesson]) -> Tokens:
        rows = [self._stated(lesson.statement) for lesson in lessons]
        count = min(self._settings.tokens, *(len(row.tokens) for row in rows))
        found = Upper(self._engine, self._first).keys_and_values(rows, count)
        chosen = {layer: found[layer] for layer in self._layers}
        return Tokens({layer: (k.requires_grad_(), v.requires_grad_()) for layer, (k, v) in chosen.items()}, self._name)

    def _stated(self, statement: str) -> Row:
        """The statement as a user says it, up to its last word."""
        tokens, _ = self._chat.around((), [Message("user", "")], statement.rstrip(" .!?"), "", tail_is_open=False)
        return Row(tuple(tokens), 1)


class Tokens(Trained):
    """Keys and values [lessons, H, n, D] by layer, float32."""

    def __init__(self, layers: dict[int, tuple[Tensor, Tensor]], name: str) -> None:
        self._layers = layers
        self._name = name
        self.parameters = [part for pair in layers.values() for part in pair]

    def acting(self, lesson: Tensor) -> Acting:
        return Acting((), {layer: (key[lesson], value[lesson]) for layer, (key, value) in self._layers.items()})

    def written(self) -> list[Written]:
        count = len(self.parameters[0])
        places = tuple(f"{self._name}.{layer}" for layer in self._layers)
        return [Written(KV, places, tuple(part[i].detach().bfloat16() for part in self.parameters)) for i in range(count)]
