"""`perdure show --state`: what each layer of the model keeps, and what of it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ..figures import size

if TYPE_CHECKING:
    from ...memory.records import Checkpoint, Commit, LayerKind


def state_shape(commit: Commit, layers: Sequence[LayerKind], marks: Sequence[Checkpoint]) -> dict[str, Any]:
    """The JSON of the same."""
    return {
        "tokens": commit.tokens,
        "bytes": sum(layer.nbytes(commit.tokens) for layer in layers),
        "stored_bytes": commit.state.kv_bytes if commit.state else 0,
        "layers": [{**layer._asdict(), "bytes": layer.nbytes(commit.tokens), "growth": layer.growth} for layer in layers],
        "snapshots": [
            {
                "position": mark.position,
                "mark": mark.mark,
                "turn": mark.turn,
                "bytes": mark.nbytes,
                "object": mark.digest.hex(),
            }
            for mark in marks
        ],
    }


def layer_table(commit: Commit, layers: Sequence[LayerKind]) -> Table:
    """One row per layer, and their sum."""
    table = Table(title=f"State after {commit.tokens} tokens", title_justify="left", show_footer=True, box=None)
    table.add_column("layer", "all", justify="right")
    table.add_column("kind")
    table.add_column("grows")
    table.add_column("a token", _size(sum(layer.per_token for layer in layers)), justify="right")
    table.add_column("window", justify="right")
    table.add_column("fixed", _size(sum(layer.fixed for layer in layers)), justify="right")
    table.add_column("now", _size(sum(layer.nbytes(commit.tokens) for layer in layers)), justify="right")
    for layer in layers:
        table.add_row(
            str(layer.layer),
            layer.kind,
            layer.growth,
            _size(layer.per_token),
            "" if layer.window is None else f"{layer.window} tokens",
            _size(layer.fixed),
            _size(layer.nbytes(commit.tokens)),
        )
    return table


def stored_text(commit: Commit, marks: Sequence[Checkpoint]) -> str:
    """What of the state is on disk."""
    blocks = size(commit.state.kv_bytes if commit.state else 0)
    if not marks:
        return f"Stored: {blocks} of KV blocks."
    total, places = size(sum(mark.nbytes for mark in marks)), ", ".join(str(mark.position) for mark in marks)
    return f"Stored: {blocks} of blocks, and {len(marks)} snapshots ({total}) after tokens {places}."


def _size(count: int) -> str:
    return size(count) if count else ""
