"""The embedded model, as a user meets it: the command line in processes of its own, killed in the middle of an answer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure.errors import ModelNotFound
from perdure.places import default_cache
from perdure.runtime.models import resolve

from .. import forking

pytestmark = pytest.mark.model
STORY = "Tell me a very long story about a lighthouse, its keeper and the keeper's cat."


@pytest.fixture(scope="module", autouse=True)
def _pulled() -> None:
    try:
        resolve("smollm2-135m-instruct", default_cache())
    except ModelNotFound:
        pytest.fail("the embedded model is not here; `make test` (or `perdure pull smollm2-135m-instruct`) brings it")


def run(store: Path, *words: str) -> dict[str, Any]:
    done = forking.perdure([*words, "--store", str(store), "--json"])
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def killed_after(store: Path, characters: int) -> str:
    """Start an answer, kill -9 its process once so much of it has been shown, and return what was shown."""
    words = ["chat", "-s", "alice", STORY, "--max-tokens", "400", "--temperature", "0", "--store", str(store)]
    command = [sys.executable, "-m", "perdure", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        seen = b""
        while len(seen) < characters:
            piece = process.stdout.read(1)
            assert piece, "the answer ended before it could be killed"
            seen += piece
        process.send_signal(signal.SIGKILL)
        seen += process.stdout.read()
    return seen.decode(errors="ignore")


def test_an_answer_survives_kill_9_and_goes_on(tmp_path: Path) -> None:
    seen = killed_after(tmp_path, 60)
    resumed = run(tmp_path, "chat", "-s", "alice", "And then?", "--max-tokens", "8", "--temperature", "0")
    assert any("recovered" in note for note in resumed["receipt"]["notes"])
    messages = run(tmp_path, "show", "alice")["conversation"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user", "assistant"]
    assert messages[0]["content"] == STORY
    assert messages[1]["content"].startswith(seen.rstrip())
    assert run(tmp_path, "verify", "alice")["ok"]


def test_it_resumes_without_prefill_and_forks(tmp_path: Path) -> None:
    first = run(tmp_path, "chat", "-s", "alice", "My dog is called Bruno.", "--max-tokens", "12", "--temperature", "0")
    second = run(tmp_path, "chat", "-s", "alice", "What is my dog called?", "--max-tokens", "12", "--temperature", "0")
    assert second["receipt"]["restored"] == first["receipt"]["prefilled"] + first["receipt"]["generated"]
    assert "Bruno" in second["text"]
    run(tmp_path, "fork", "alice", "bob", "--at", "@turn:1")
    other = run(tmp_path, "chat", "-s", "bob", "What is my dog called?", "--max-tokens", "12", "--temperature", "0")
    assert other["text"] == second["text"]
    assert run(tmp_path, "fsck")["ok"]


def test_resume_is_bit_identical_on_the_real_model(tmp_path: Path) -> None:
    import torch

    with perdure.open(store=tmp_path / "one") as runtime:
        runtime.repository.create("s", runtime.recipe, seed=3)
        session = runtime.session("s")
        session.chat("My dog is called Bruno.", max_tokens=16)
        expected = session.chat("Tell me about him.", max_tokens=16)
        logits = session.logits()
    with perdure.open(store=tmp_path / "two") as runtime:
        runtime.repository.create("s", runtime.recipe, seed=3)
        runtime.session("s").chat("My dog is called Bruno.", max_tokens=16)
    with perdure.open(store=tmp_path / "two") as runtime:
        session = runtime.session("s")
        assert session.chat("Tell me about him.", max_tokens=16).text == expected.text
        assert torch.equal(session.logits(), logits)
