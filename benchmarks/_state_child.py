"""The process that goes on with stored sessions: folders on its input, each named on its output when it is done.

What it knows of a session it has from the copy of its store and the model's folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from perdure.memory.tokenlog import tokens
from perdure.runtime.session import Session

BEGINNING = (
    "You keep a lighthouse, and you answer in the words of one who has seen many ships, in rain, wind and snow. " * 2,
    "Tell me a story about the sea.",
)
NEXT, LAST = "And then? Go on, please.", "Why was that?"
ANSWER = 6


class Said(NamedTuple):
    """Where a session stands after a turn: the answer's tokens, the token log, the logits."""

    answer: list[int]
    log: list[int]
    logits: Tensor


def say(session: Session, text: str) -> Said:
    return standing(session, session.chat(text, max_tokens=ANSWER).tokens)


def standing(session: Session, answer: tuple[int, ...] = ()) -> Said:
    return Said(list(answer), tokens(session.repository.runs(session.head)), session.logits())


def go_on(folder: Path) -> list[Said]:
    from ._state_families import DRAWN
    from ._state_kit import loaded_from, runtime

    with runtime(loaded_from(folder / "model", threads=1), folder / "stopped", sampling=DRAWN) as rt:
        session = rt.session("s", create=False)
        return [standing(session), say(session, NEXT), say(session, LAST)]


def main() -> None:
    # What libraries print must not get between the lines of the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        folder = Path(line.strip())
        try:
            found: dict[str, object] = {"moments": [tuple(each) for each in go_on(folder)]}
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
        torch.save(found, folder / "found.pt")
        os.write(answer, line.encode())


if __name__ == "__main__":
    main()
