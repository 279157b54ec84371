"""A real server in a process of its own, with a tiny model and the inspector: what a browser is pointed at."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

START_S = 60.0
FACT = "My cousin Tamsin keeps a pangolin called Biscuit"
ASK = "What is the pangolin of my cousin Tamsin called?"
FILLER = "the quick brown fox jumps over the lazy dog while seven wizards quietly judge my vow and pack boxes "
SMALL = ("--window", "128", "--block", "128", "--sinks", "4", "--summary-entries", "32")
"""A window so small that a short conversation leaves it."""


class Served(httpx.Client):
    """A client of the interface of a running server. `store` is its folder."""

    def __init__(self, url: str, store: Path, process: subprocess.Popen[str], key: str | None = None) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        super().__init__(base_url=url, timeout=60.0, headers=headers)
        self.url = url
        self.store = store
        self.process = process

    def ask(self, path: str, method: str = "GET", **options: Any) -> Any:
        """What the interface says; a refusal fails the test."""
        response = self.request(method, path, **options)
        assert response.is_success, response.text
        return response.json()

    def say(self, session: str, *texts: str, **body: Any) -> dict[str, Any]:
        """Turns in a session, of a few greedy tokens each; the last answer."""
        answer: dict[str, Any] = {}
        for text in texts:
            asked = {"messages": [{"role": "user", "content": text}], "max_tokens": 8, "temperature": 0.0, **body}
            answer = self.ask("/v1/chat/completions", "POST", json=asked, headers={"X-Session-ID": session})
        return answer

    def stop(self, number: int = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        self.process.wait(30)


@contextmanager
def served(model: Path, store: Path, *options: str, key: str | None = None, away_s: float | None = None) -> Iterator[Served]:
    """Run `perdure serve` until the test is done with it; `away_s` is for how long its pages wait for it."""
    process = _started(model, store, options, {} if away_s is None else {"AWAY_S": str(away_s)})
    try:
        with Served(_address(process), store, process, key) as client:
            yield client
            client.stop()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        assert process.stderr is not None
        process.stderr.close()


def taught(api: Served, name: str, fact: str = FACT) -> dict[str, Any]:
    """A session that was told a fact, which has left its window since, and then asked for it; the last answer."""
    api.say(name, fact, *(f"{turn} {FILLER * 2}" for turn in range(4)))
    return api.say(name, ASK)


def _started(model: Path, store: Path, options: Sequence[str], told: Mapping[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.ui.child", "serve", "--model", str(model), "--store", str(store), "--port", "0"]
    return subprocess.Popen(
        [*command, *SMALL, *options],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **told},
    )


def _address(process: subprocess.Popen[str]) -> str:
    """What the server says it answers at; the rest of what it says is read and dropped, so that its pipe never fills."""
    assert process.stderr is not None
    late = threading.Timer(START_S, process.kill)
    late.start()
    try:
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"answers at (http://\S+)/v1", line):
                threading.Thread(target=list, args=(process.stderr,), daemon=True).start()
                return found[1]
        raise AssertionError(f"the server did not start: {''.join(said)}")
    finally:
        late.cancel()
