"""Every example runs, as a script of its own, over a tiny model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from perdure.runtime import Runtime

from .api.http_server import serving

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(name: str, *words: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"fork_and_resume.py", "openai_client.py"}


def test_fork_and_resume(model: Path, tmp_path: Path) -> None:
    output = run("fork_and_resume.py", str(tmp_path / "store"), str(model))
    assert "none computed again" in output
    assert output.splitlines()[-1].endswith("turn 0 0 tokens ")


def test_the_openai_client_is_remembered(runtime: Runtime) -> None:
    with serving(runtime) as api:
        output = run("openai_client.py", f"{api.base_url}/v1", "model")
    assert "0 of the prompt's tokens" in output
    assert len(runtime.repository.messages("example")) == 4
