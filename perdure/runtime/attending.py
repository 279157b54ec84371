"""What attention recalled memories received, from the very forwards that made the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .state.base import State

if TYPE_CHECKING:
    from .recollection import Recollection


class Attention:
    """Collects, for each token of an answer, the share of attention that each memory received."""

    def __init__(self) -> None:
        self._tokens: list[list[float]] = []
        self._layers: list[list[float]] = []

    def note(self, state: State) -> None:
        """Take down the last forward: the mean over layers and heads, and by layer."""
        shares = state.shares
        if shares is None or not state.place.recalled:
            return
        self._tokens.append(shares.mean(dim=(1, 2, 3)).tolist())
        by_layer = shares.mean(dim=(2, 3)).tolist()
        if self._layers:
            by_layer = [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(self._layers, by_layer, strict=True)]
        self._layers = by_layer

    def account(self, recall: Recollection) -> dict[str, Any]:
        """What a trace says of the memories: where they stood, and the attention they received.

        `mass` is the mean over the answer's tokens, layers and heads; `by_layer` and `by_token` its parts.
        """
        start, chosen = 0, []
        for number, memory in enumerate(recall.memories):
            place = {"episode": memory.digest, "at": start, "tokens": len(memory.tokens), "bias": memory.bias}
            chosen.append({**place, **self._heard(number)})
            start += len(memory.tokens)
        return {"chosen": chosen}

    def _heard(self, number: int) -> dict[str, Any]:
        count = len(self._tokens)
        if not count:
            return {}
        by_token = [token[number] for token in self._tokens]
        return {
            "mass": round(sum(by_token) / count, 6),
            "by_token": [round(share, 4) for share in by_token],
            "by_layer": [round(layer / count, 6) for layer in self._layers[number]],
        }
