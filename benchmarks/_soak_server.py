"""The server that is soaked: `perdure serve` in a child process, which is killed, stopped, started again and watched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx

READY = 600.0
GRACE = 60.0
MARK = "answers at"
NOT_OURS = "torchinductor_"
"""Torch keeps a cache in the folder for temporary files."""


class Signs(NamedTuple):
    """What the process holds at a moment. `anonymous` and `mapped` are bytes of memory; the map is the store's."""

    at: float
    anonymous: int
    mapped: int
    descriptors: int
    threads: int
    children: int


class SoakServer:
    """`life` counts how often it was brought down: a request that fails across two lives is nobody's mistake."""

    def __init__(self, work: Path, command: Sequence[str], *, model: str, flags: Sequence[str]) -> None:
        self.store, self.temporary, self.log = work / "store", work / "tmp", work / "server.log"
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        self._perdure = [sys.executable, *command]
        self.address = f"http://127.0.0.1:{(port := _free_port())}"
        where = ["--model", model, "--store", str(self.store)]
        self._serve = [*self._perdure, "serve", *where, "--port", str(port), *flags]
        self.life = 0
        self._up = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers."""
        heard = self.log.stat().st_size
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._serve, stdout=log, stderr=log, env=self._environment())
        deadline = time.monotonic() + READY
        while MARK not in self._said(heard):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The server did not start: {self._said(heard)[-2000:]}")
            time.sleep(0.05)
        self._up.set()

    def wait(self) -> int:
        """Until it answers; a life that is over already, where it was brought down meanwhile."""
        life = self.life
        if not self._up.wait(READY):
            raise RuntimeError("The server did not come back.")
        return life

    def end(self, number: signal.Signals) -> int:
        """Bring it down by a signal; how it ended, as `Popen.returncode` says it."""
        assert self._process is not None
        self._up.clear()
        self.life += 1
        self._process.send_signal(number)
        try:
            return self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return 124

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def signs(self) -> Signs | None:
        """None between two lives."""
        try:
            status = _status(self.pid)
            held = len(os.listdir(f"/proc/{self.pid}/fd"))
            children = sum(len(path.read_text().split()) for path in Path(f"/proc/{self.pid}/task").glob("*/children"))
            memory = (status["RssAnon"] << 10, (status["RssFile"] + status["RssShmem"]) << 10)
        except (OSError, KeyError):
            return None
        return Signs(time.monotonic(), *memory, held, status["Threads"], children)

    def perdure(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command over the same store, as a child of its own."""
        command = [*self._perdure, *arguments, "--store", str(self.store)]
        return subprocess.run(command, env=self._environment(), capture_output=True, text=True, timeout=600, check=False)

    def client(self, timeout: float = 180.0) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=timeout)

    def tracebacks(self) -> list[str]:
        """What the server logged of exceptions that nobody foresaw, each with its last line."""
        lines = self.log.read_text(errors="replace").split("Traceback (most recent call last)")[1:]
        return [next((line for line in part.splitlines() if line and not line.startswith((" ", ":"))), "") for part in lines]

    def left_over(self) -> list[str]:
        """Temporary files in the store and in the folder that the server was given for them."""
        hidden = [path for path in self.store.rglob("*") if path.name.startswith(".") or path.suffix in (".tmp", ".part")]
        beside = [path for path in self.temporary.iterdir() if not path.name.startswith(NOT_OURS)]
        return sorted(str(path.relative_to(path.parents[1])) for path in [*hidden, *beside])

    def _said(self, after: int) -> str:
        return self.log.read_bytes()[after:].decode(errors="replace")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"}


def _status(pid: int) -> dict[str, int]:
    """The numbers of /proc/PID/status, memory in KiB."""
    found: dict[str, Any] = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if value.split()[:1] and value.split()[0].isdigit():
            found[name] = int(value.split()[0])
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
