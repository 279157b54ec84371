"""What attention recalled memories received, from the very forwards that made the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from .state.base import State

if TYPE_CHECKING:
    from .recollection import Recollection


class Attention:
    """Collects, for each token of an answer, the share of attention that each memory received."""

    def __init__(self) -> None:
        self._tokens: list[Tensor] = []
        self._layers: list[Tensor] = []

    def note(self, state: State) -> None:
        """Take down the last forward: the mean over layers and heads, and by layer."""
        shares = state.shares
        if shares is None or not state.place.recalled:
            return
        # Read when the answer is there: a GPU would be waited for at each token.
        self._tokens.append(shares.mean(dim=(1, 2, 3)))
        self._layers.append(shares.mean(dim=(2, 3)))

    def account(self, recall: Recollection) -> dict[str, Any]:
        """What a trace says of the memories: where they stood, and the attention they received.

        `mass` is the mean over the answer's tokens, layers and heads; `by_layer` and `by_token` its parts.
        """
        start, chosen = 0, []
        tokens, layers = ([each.tolist() for each in noted] for noted in (self._tokens, self._layers))
        for number, memory in enumerate(recall.memories):
            place = {"episode": memory.digest, "at": start, "tokens": len(memory.tokens), "bias": memory.bias}
            chosen.append({**place, **_heard([token[number] for token in tokens], [each[number] for each in layers])})
            start += len(memory.tokens)
        return {"chosen": chosen}


def _heard(by_token: list[float], by_layer: list[list[float]]) -> dict[str, Any]:
    """Of one memory: its share by token, and by token and layer."""
    count = len(by_token)
    if not count:
        return {}
    return {
        "mass": round(sum(by_token) / count, 6),
        "by_token": [round(share, 4) for share in by_token],
        "by_layer": [round(sum(layer) / count, 6) for layer in zip(*by_layer, strict=True)],
    }
