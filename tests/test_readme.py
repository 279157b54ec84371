"""Every command and every program of the README is run, in order, as a user would: only the model is a tiny one."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from perdure.testing.tiny import tiny_llama

from .forking import perdure
from .runtime.tiny_bert import tiny_bert

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVER = "perdure serve --port 8400"
NOTES = "The spare key lies under the third flower pot, behind the shed.\n"
"""What the README's notes.md says; the id of that memory follows from it."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """The lines of all shell blocks, comments cut off."""
    lines = [shlex.join(shlex.split(line, comments=True)) for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a document, whose cache holds a tiny model and a tiny encoder under the names of the embedded ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("PERDURE_STORE", "PERDURE_MODEL"):
        monkeypatch.delenv(name, raising=False)
    tiny_llama(tmp_path / "cache" / "perdure" / "models" / "smollm2-135m-instruct", dtype="bfloat16")
    tiny_bert(tmp_path / "cache" / "perdure" / "models" / "all-minilm-l6-v2")
    (tmp_path / "notes.md").write_text(NOTES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line: str) -> None:
    words = shlex.split(line)[1:]
    yes = ["--yes"] if words[0] == "rm" else []
    done = perdure([*words, *yes], given="Hello.\n")
    assert done.returncode == 0, f"{line}\n{done.stderr}"


@contextmanager
def serving(port: int) -> Iterator[None]:
    words = shlex.split(SERVER.replace("8400", str(port)))[1:]
    with subprocess.Popen([sys.executable, "-m", "perdure", *words], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        while "answers at" not in (line := server.stderr.readline()):
            assert line or server.poll() is None
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        yield
        server.send_signal(signal.SIGINT)


def test_every_command_runs(home: Path) -> None:
    told = commands()
    assert told[:2] == ["make chat", "make test"]
    assert SERVER in told
    for line in told[2:]:
        if line != SERVER:
            run(line)


def test_every_program_runs(home: Path) -> None:
    python, client = blocks("python")
    subprocess.run([sys.executable, "-c", python], check=True, timeout=120, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(port):
        subprocess.run(
            [sys.executable, "-c", client.replace("8400", str(port))], check=True, timeout=120, capture_output=True
        )
