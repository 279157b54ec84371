"""Processes that die in the middle of an answer, and one that goes on where they stopped.

`die` reads folders (which hold `model/`) from its input, forks for each a process that leaves two stores behind, and
writes the folder. `resume` reads folders, goes on with the stores in one process, notes what it found in `found.pt` and
writes the folder. What it knows it has from the stores and the model's folder. A failure is told in `error.txt`.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch

from perdure.runtime.models import LoadedModel
from perdure.runtime.session import Session
from tests.families.script import ANSWER, FIRST, LAST, NEXT, Moment, begun, beside, loaded_from, moment, runtime, say


def die(loaded: LoadedModel, folder: Path) -> None:
    """A session that was closed after its prefill, and one whose process ends while it is answering."""
    with runtime(loaded, folder / "prefill") as rt:
        say(begun(rt), FIRST, 1)
    session = begun(beside(rt, folder / "decode"))
    session.chat(FIRST, max_tokens=1)
    told = list(islice(session.stream(NEXT, max_tokens=4 * ANSWER), ANSWER))
    os._exit(0 if len(told) == ANSWER else 9)


def forked(folder: Path) -> None:
    loaded = loaded_from(folder / "model")
    pid = os.fork()
    if not pid:
        with noting(folder):
            die(loaded, folder)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status and not (folder / "error.txt").exists():
        (folder / "error.txt").write_text(f"The process that was to die ended with {status}.")


def resumed(folder: Path) -> None:
    if (folder / "error.txt").exists():
        return
    with runtime(loaded_from(folder / "model"), folder / "prefill") as rt:
        found = {"prefill": after_prefill(rt.session("s", create=False))}
    with beside(rt, folder / "decode") as rt:
        found["decode"] = after_death(rt.session("s", create=False))
    torch.save({name: [tuple(each) for each in moments] for name, moments in found.items()}, folder / "found.pt")


def after_prefill(session: Session) -> list[Moment]:
    return [moment(session), say(session, NEXT, ANSWER), say(session, LAST, 2)]


def after_death(session: Session) -> list[Moment]:
    session.acquire()
    return [moment(session), say(session, LAST, 2)]


@contextmanager
def noting(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        (folder / "error.txt").write_text(traceback.format_exc())


JOBS: dict[str, Callable[[Path], None]] = {"die": forked, "resume": resumed}


def main(job: str) -> None:
    # What libraries print must not get between the lines of the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    torch.set_num_threads(1)
    for line in sys.stdin:
        folder = Path(line.strip())
        with noting(folder):
            JOBS[job](folder)
        os.write(answer, line.encode())


if __name__ == "__main__":
    main(sys.argv[1])
