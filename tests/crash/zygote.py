"""The parent's side of `worker`: starting jobs, killing them, reading what they acknowledged."""

from __future__ import annotations

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

PROJECT = Path(__file__).resolve().parents[2]
QUIET = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONPATH": str(PROJECT),
    "HF_HUB_OFFLINE": "1",
}
PATIENCE_S = 60.0


class Outcome(NamedTuple):
    """How a job ended (an exit status, or minus the signal) and the lines that it wrote."""

    status: int
    lines: list[dict[str, Any]]

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    def last(self, did: str) -> dict[str, Any]:
        return next(line for line in reversed(self.lines) if line["did"] == did)


class Zygote:
    """One worker process; runs one job at a time."""

    def __init__(self, model: Path) -> None:
        command = [sys.executable, "-m", "tests.crash.worker", str(model)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, env={**os.environ, **QUIET}
        )
        self._read()

    def run(self, job: dict[str, Any], meanwhile: Callable[[int, Path], None] | None = None) -> Outcome:
        """Run a job; `meanwhile(pid, acks)` may watch and kill it. A job that hangs is killed and reported as -SIGALRM."""
        acks = Path(job["acks"])
        acks.unlink(missing_ok=True)
        acks.touch()
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("the zygote has no input")
        stdin.write(json.dumps(job).encode() + b"\n")
        stdin.flush()
        pid = int(self._read()["pid"])
        hung = threading.Event()
        timer = threading.Timer(PATIENCE_S, give_up, (pid, hung))
        timer.start()
        try:
            if meanwhile is not None:
                meanwhile(pid, acks)
            status = int(self._read()["status"])
        finally:
            timer.cancel()
            timer.join()
        return Outcome(-signal.SIGALRM if hung.is_set() else status, lines_of(acks))

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise RuntimeError("the zygote died")
        found: dict[str, Any] = json.loads(line)
        return found


def lines_of(acks: Path) -> list[dict[str, Any]]:
    """Whole lines only: one that was cut short was not acknowledged."""
    return [json.loads(line) for line in acks.read_bytes().split(b"\n")[:-1]]


def kill_after_acks(count: int) -> Callable[[int, Path], None]:
    """Kill a job once it has written so many lines."""

    def watch(pid: int, acks: Path) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while acks.read_bytes().count(b"\n") < count and time.monotonic() < deadline and alive(pid):
            time.sleep(0.0005)
        kill(pid)

    return watch


def kill_after_seconds(seconds: float) -> Callable[[int, Path], None]:
    def watch(pid: int, acks: Path) -> None:
        time.sleep(seconds)
        kill(pid)

    return watch


def give_up(pid: int, hung: threading.Event) -> None:
    hung.set()
    kill(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
