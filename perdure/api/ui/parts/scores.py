"""A score as a bar, with the one that it had to reach drawn in."""

from __future__ import annotations

from nicegui import ui

MOST = 1.2
"""What a bar can show: a similarity of 1 and all of the words."""


def score(value: float, *, threshold: float | None = None, dropped: bool = False) -> None:
    """`dropped` ones have another colour."""
    said = f"score {value:.3f}" + ("" if threshold is None else f", threshold {threshold:.2f}")
    with ui.element("div").classes("score" + (" dropped" if dropped else "")).props(f'role=img aria-label="{said}"'):
        ui.element("i").style(f"width:{_part(value)}%")
        if threshold is not None:
            with ui.element("b").style(f"left:{_part(threshold)}%"):
                ui.tooltip(f"threshold {threshold:.2f}")


def _part(value: float) -> float:
    return round(100 * min(max(value, 0.0), MOST) / MOST, 2)
