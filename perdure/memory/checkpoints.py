"""Which snapshots of a state are kept: the recent ones all, older ones ever further apart, within a budget of bytes.

A mark on the grid or at a turn's end has a level, how often two divides its number; it is kept while the head is at most
`dense` steps times two to that level away. So about `dense` marks lie in the last `dense` steps, and half as many in each
doubling of the distance, and nothing that was dropped is ever wanted again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..config import PREFILL_GRID, CheckpointOptions
from .records import Checkpoint

GRID, TURN, PROMPT = "grid", "turn", "prompt"
PROMPT_TURNS = 2
"""Turns for which the place before the answer is kept, where templates that rewrite the last answer go back to."""


def retained(marks: Sequence[Checkpoint], options: CheckpointOptions) -> list[Checkpoint]:
    """The marks to keep, oldest first. The newest is always among them, even where it alone exceeds the budget."""
    if not marks:
        return []
    newest = max(marks, key=lambda mark: (mark.position, mark.mark == TURN))
    dense = options.dense
    kept = _kept(marks, newest, dense)
    while dense and sum(mark.nbytes for mark in kept) > options.budget_bytes:
        dense //= 2
        kept = _kept(marks, newest, dense)
    return kept


def _kept(marks: Sequence[Checkpoint], newest: Checkpoint, dense: int) -> list[Checkpoint]:
    wanted = {mark.position: mark for mark in marks if _wanted(mark, newest, dense)}
    wanted[newest.position] = newest
    return [wanted[position] for position in sorted(wanted)]


def _wanted(mark: Checkpoint, newest: Checkpoint, dense: int) -> bool:
    if mark.mark == PROMPT:
        return dense > 0 and newest.turn - mark.turn < PROMPT_TURNS
    if mark.mark == TURN:
        return newest.turn - mark.turn <= dense << _level(mark.turn) if dense else False
    steps = (newest.position - mark.position) / PREFILL_GRID
    return steps <= dense << _level(mark.position // PREFILL_GRID) if dense else False


def _level(number: int) -> int:
    """How often two divides `number`; 0 for 0."""
    return (number & -number).bit_length() - 1 if number else 0
