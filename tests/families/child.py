"""Processes that die in the middle of an answer, and one that goes on where they stopped.

`die` reads folders (which hold `model/`) from its input, forks for each a process that leaves two stores behind, and
writes the folder. `resume` reads folders, goes on with the stores in one process, notes what it found in `found.pt` and
writes the folder. Neither has loaded a model before the stores were left. A failure is told in `error.txt`.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch

from tests.families.script import ANSWER, FIRST, LAST, NEXT, Moment, begun, fresh, moment, say


def die(folder: Path) -> None:
    """A session that was closed after its prefill, and one whose process ends while it is answering."""
    with fresh(folder / "model", folder / "prefill") as rt:
        say(begun(rt), FIRST, 1)
    with fresh(folder / "model", folder / "decode") as rt:
        session = begun(rt)
        session.chat(FIRST, max_tokens=1)
        told = list(islice(session.stream(NEXT, max_tokens=4 * ANSWER), ANSWER))
        os._exit(0 if len(told) == ANSWER else 9)


def forked(folder: Path) -> None:
    pid = os.fork()
    if not pid:
        try:
            die(folder)
        except BaseException:
            (folder / "error.txt").write_text(traceback.format_exc())
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status and not (folder / "error.txt").exists():
        (folder / "error.txt").write_text(f"The process that was to die ended with {status}.")


def resumed(folder: Path) -> None:
    if (folder / "error.txt").exists():
        return
    try:
        found = {"prefill": after_prefill(folder), "decode": after_death(folder)}
        torch.save({name: [tuple(each) for each in moments] for name, moments in found.items()}, folder / "found.pt")
    except Exception:
        (folder / "error.txt").write_text(traceback.format_exc())


def after_prefill(folder: Path) -> list[Moment]:
    with fresh(folder / "model", folder / "prefill") as rt:
        session = rt.session("s", create=False)
        return [moment(session), say(session, NEXT, ANSWER), say(session, LAST, 2)]


def after_death(folder: Path) -> list[Moment]:
    with fresh(folder / "model", folder / "decode") as rt:
        session = rt.session("s", create=False)
        session.acquire()
        return [moment(session), say(session, LAST, 2)]


JOBS: dict[str, Callable[[Path], None]] = {"die": forked, "resume": resumed}


def main(job: str) -> None:
    # What libraries print must not get between the lines of the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    torch.set_num_threads(1)
    for line in sys.stdin:
        JOBS[job](Path(line.strip()))
        os.write(answer, line.encode())


if __name__ == "__main__":
    main(sys.argv[1])
