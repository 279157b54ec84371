"""Servers in child processes on loopback, each pinned to the same core, to be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from ._peers import LlamaServer
from ._serve_client import Client

START = 900.0


class Child:
    """A server with OpenAI's chat endpoint. `system` is its name in the tables."""

    def __init__(self, system: str, command: Sequence[str], port: int, log: Path, environment: Mapping[str, str]) -> None:
        self.system, self.log, self.address = system, log, f"http://127.0.0.1:{port}"
        self._command, self._environment = list(command), {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Returns when it answers; the seconds that it took."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment, process_group=0)
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - began > START:
                last = " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])
                raise RuntimeError(f"{self.system} did not start. It logged: {last}")
            time.sleep(0.2)
        return time.monotonic() - began

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.system} has not been started")
        return self._process.pid

    def kill(self) -> None:
        """As a machine that loses its power would: the whole group, at once."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def client(self, never: Sequence[int]) -> Client:
        return Client(self.address, self.models[0], never)

    @cached_property
    def models(self) -> list[str]:
        return [each["id"] for each in httpx.get(f"{self.address}/v1/models", trust_env=False).json()["data"]]

    def get(self, path: str) -> Any:
        return httpx.get(self.address + path, timeout=60, trust_env=False).raise_for_status().json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return httpx.post(self.address + path, json=dict(body), timeout=600, trust_env=False).raise_for_status().json()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/health", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


def perdure(model: str, store: Path, log: Path, flags: Sequence[str], system: str = "perdure") -> Child:
    command = [sys.executable, "-m", "perdure", "serve", "--model", model, "--store", str(store)]
    return Child(system, [*command, "--port", str(port := free_port()), *flags], port, log, {})


def vllm(python: str, folder: Path, log: Path, flags: Sequence[str], cpus: Sequence[int]) -> Child:
    """vLLM's own server over the same folder. It binds its threads itself, and takes one GiB for its cache."""
    environment = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cpus)),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "PYTHONPATH": "",
    }
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--dtype", "bfloat16"]
    own = ["--host", "127.0.0.1", "--port", str(port := free_port()), "--max-model-len", "8192", *flags]
    return Child("vllm", [*command, *own], port, log, environment)


class Llama:
    """llama-server out of the xllamacpp wheel, started and killed like the others."""

    system = "llama.cpp"

    def __init__(self, server: LlamaServer) -> None:
        self._server = server

    @property
    def address(self) -> str:
        return str(self._server.address)

    @property
    def version(self) -> str:
        return str(self._server.version)

    def start(self) -> float:
        began = time.monotonic()
        self._server.__enter__()
        return time.monotonic() - began

    def kill(self) -> None:
        self._server.child.kill()
        self._server.__exit__(None, None, None)

    def client(self, never: Sequence[int]) -> Client:
        return Client(self.address, "llama", never)

    def slot(self, action: str, name: str) -> None:
        """Have the slot saved into a file, and the file made durable, or restored from it."""
        self._server.save(name) if action == "save" else self._server.restore(name, cold=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
