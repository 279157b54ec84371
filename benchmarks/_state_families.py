"""Every family in both number types: what a new process says after a commit, against a session that never stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from perdure.config import Sampling

from ._state_child import BEGINNING, LAST, NEXT, Said, say
from ._state_kit import CHILD, Dtype, make, runtime

DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")
SEED = 7
DRAWN = Sampling(temperature=0.8, seed=SEED)


class Finding(NamedTuple):
    """One family in one number type; `defect` is empty where every bit agreed."""

    family: str
    dtype: str
    defect: str


def examine(families: Sequence[str], work: Path, tell: Callable[[str], None]) -> list[Finding]:
    """All families; the sessions are continued by one child process, while this one tells the next stories."""
    with _child(work) as child:
        waiting = [(case, _begin(*case, work, child, tell)) for case in ((f, d) for f in families for d in DTYPES)]
        if child.stdin is not None:
            child.stdin.close()
        found = [Finding(*case, wanted if isinstance(wanted, str) else _compare(wanted, child)) for case, wanted in waiting]
    for finding in found:
        if finding.defect:
            tell(f"  {finding.family}, {finding.dtype}: {finding.defect}")
    return found


class Story(NamedTuple):
    folder: Path
    moments: list[Said]


def _begin(
    family: str, dtype: Dtype, work: Path, child: subprocess.Popen[bytes], tell: Callable[[str], None]
) -> Story | str:
    """Tell a story to its end; a copy of the store as the first turn left it goes to the child."""
    folder = work / f"{family}-{dtype}"
    tell(f"  {family}, {dtype}")
    try:
        moments = list(_told(family, dtype, folder))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if child.stdin is None:
        return "the child has no input"
    child.stdin.write(f"{folder}\n".encode())
    child.stdin.flush()
    return Story(folder, moments)


def _told(family: str, dtype: Dtype, folder: Path) -> Iterator[Said]:
    loaded = make(family, folder, dtype=dtype)
    with runtime(loaded, folder / "never-stopped", sampling=DRAWN) as rt:
        rt.repository.create("s", rt.recipe, model=rt.model.name, seed=SEED)
        session = rt.session("s", system=BEGINNING[0])
        yield say(session, BEGINNING[1])
        session.release()
        shutil.copytree(folder / "never-stopped", folder / "stopped")
        for text in (NEXT, LAST):
            yield say(session, text)


def _child(work: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks._state_child"]
    root = str(Path(__file__).resolve().parents[1])
    with (work / "child.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=root,
            env={**os.environ, **CHILD, "PYTHONPATH": root},
        )


def _compare(story: Story, child: subprocess.Popen[bytes]) -> str:
    """What differs, in words; empty where nothing does."""
    line = child.stdout.readline().decode().strip() if child.stdout else ""
    if line != str(story.folder):
        return "the child process ended before it"
    stored: dict[str, Any] = torch.load(story.folder / "found.pt")
    shutil.rmtree(story.folder)
    if "error" in stored:
        return str(stored["error"])
    return next(_differences([Said(*each) for each in stored["moments"]], story.moments), "")


def _differences(found: Iterable[Said], wanted: Iterable[Said]) -> Iterator[str]:
    for number, (ours, theirs) in enumerate(zip(found, wanted, strict=True), 1):
        if number > 1 and ours.answer != theirs.answer:
            yield f"turn {number} has other tokens"
        if ours.log != theirs.log:
            yield f"after turn {number} the token log differs"
        if not torch.equal(ours.logits, theirs.logits):
            error = float((ours.logits - theirs.logits).abs().max())
            yield f"after turn {number} the logits differ by up to {error:.2g}"
