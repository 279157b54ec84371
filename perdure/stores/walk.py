"""Reading a whole database in a child process, since a broken page may kill its reader.

The child writes JSON lines: ``{"at": [objects, bytes]}`` as it goes on, one line per defect, and at the end
``{"done": [objects, bytes]}``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import StoreError
from . import audit
from .lmdb import LmdbStore
from .tables import TableRead

STALL_S = 120.0
_TOLD_EVERY_S = 0.2
_PROJECT = Path(__file__).resolve().parents[2]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from perdure.stores.walk import main; sys.exit(main())"


class WalkReport(NamedTuple):
    """What a walk found.

    `ok`: nothing is wrong. `corrupt`: hex digests of records that do not verify. `missing_refs`: hex digests that an
    object refers to, but that are absent. `problems`: sentences about links, refs and everything else. `crashed`: why the
    walk did not come to its end, or None; then the counts are those it had got to.
    """

    ok: bool
    objects: int
    bytes: int
    corrupt: list[str]
    missing_refs: list[str]
    problems: list[str]
    crashed: str | None


def walk(
    path: Path,
    deep: bool = False,
    *,
    progress: Callable[[int, int], None] | None = None,
    stall_s: float = STALL_S,
) -> WalkReport:
    """Have a child read every record, link and ref of the store at `path` (with `deep`, verify BLAKE3 too).

    Survives the child's death. A child that reports nothing for `stall_s` seconds is ended. `progress` is told objects and
    bytes read so far.
    """
    command = [sys.executable, "-c", _PROGRAM, str(_PROJECT), str(Path(path).absolute()), *(["--deep"] if deep else [])]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    tally = _Tally(progress)
    watch = _Watch(child, stall_s)
    try:
        for line in child.stdout or ():
            watch.seen()
            tally.take(line)
    finally:
        watch.stop()
        if child.poll() is None and tally.done is None:
            child.kill()
        _, complaint = child.communicate()
    return tally.report(_death(child.returncode, complaint, watch))


class _Tally:
    def __init__(self, progress: Callable[[int, int], None] | None) -> None:
        self._progress = progress
        self._at = (0, 0)
        self._found: dict[str, list[str]] = {"corrupt": [], "missing": [], "problem": []}
        self.done: tuple[int, int] | None = None
        self._failed: str | None = None

    def take(self, line: bytes) -> None:
        try:
            ((what, value),) = json.loads(line).items()
        except (ValueError, AttributeError):
            return
        if what in ("at", "done"):
            self._at = (int(value[0]), int(value[1]))
            self.done = self._at if what == "done" else None
            if self._progress is not None:
                self._progress(*self._at)
        elif what == "failed":
            self._failed = value
        else:
            self._found[what].append(value)

    def report(self, death: str) -> WalkReport:
        crashed = None if self.done is not None else self._failed or death
        found = self._found
        ok = crashed is None and not any(found.values())
        return WalkReport(ok, *self._at, found["corrupt"], found["missing"], found["problem"], crashed)


class _Watch:
    """Kills a child that has been silent for too long."""

    def __init__(self, child: subprocess.Popen[bytes], stall_s: float) -> None:
        self.stalled = False
        self._child = child
        self._stall_s = stall_s
        self._last = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="perdure-walk", daemon=True)
        self._thread.start()

    def seen(self) -> None:
        self._last = time.monotonic()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(max(0.01, self._last + self._stall_s - time.monotonic())):
            if time.monotonic() - self._last >= self._stall_s:
                self.stalled = True
                self._child.kill()
                return


def _death(code: int, complaint: bytes, watch: _Watch) -> str:
    if watch.stalled:
        return "reading it made no progress"
    if code < 0:
        return f"reading it ended with {signal.Signals(-code).name}"
    lines = complaint.decode(errors="replace").strip().splitlines()
    return f"reading it ended with status {code}" + (f" ({lines[-1][:200]})" if lines else "")


def main(argv: list[str] | None = None) -> int:
    """The child: read everything, report on standard output."""
    parser = argparse.ArgumentParser(prog="python -m perdure.stores.walk", description="Read a whole store.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--deep", action="store_true", help="verify BLAKE3 digests as well")
    options = parser.parse_args(argv)
    try:
        done = _read_all(options.store, options.deep)
    except StoreError as error:
        _tell("failed", str(error))
        return 1
    _tell("done", done)
    return 0


def _read_all(path: Path, deep: bool) -> tuple[int, int]:
    at, told = (0, 0), 0.0

    def progress(objects: int, size: int) -> None:
        nonlocal at, told
        at = (objects, size)
        if time.monotonic() - told > _TOLD_EVERY_S:
            told = time.monotonic()
            _tell("at", at)

    with LmdbStore(path, read_only=True) as store, store.read() as txn:
        store.check_pages()
        if isinstance(txn, TableRead):
            for defect in audit.defects(txn, deep=deep, progress=progress):
                _tell(*_line(defect))
    return at


def _line(defect: audit.Defect) -> tuple[str, str]:
    if defect.what in ("corrupt", "missing"):
        return defect.what, defect.digest.hex()
    return "problem", defect.sentence


def _tell(what: str, value: Any) -> None:
    os.write(sys.stdout.fileno(), json.dumps({what: value}).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
