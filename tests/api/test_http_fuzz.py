"""schemathesis over the published description: random requests, right and wrong ones, to every endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.api.http import HttpSettings
from perdure.testing.encoder import HashedWords

from ..conftest import Opens
from .http_server import Api, serving

FUZZ = Path(__file__).parent / "fuzz"
SETTINGS = HttpSettings(body_limit=1 << 20, ingest_limit=1 << 20, bundle_limit=1 << 20)


@pytest.fixture
def api(opens: Opens) -> Iterator[Api]:
    """alice was told something. The feed of events is closed, so that such streams end at once."""
    with opens(encoder=HashedWords()) as runtime, serving(runtime, SETTINGS) as api:
        api.remember("My cat is called Tom.", max_tokens=2)
        assert api.post("/v1/sessions/alice/ingest", json={"text": "Ada keeps bees."}).status_code == 200
        assert api.put("/v1/sessions/alice/tags/told", json={}).status_code == 201
        api.server._tenants.default.feed.close()
        yield api


def test_no_request_breaks_what_is_published(api: Api, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """With --fuzz more of them, such at the edges of what is described, and such that build on each other's answers."""
    examples = pytestconfig.getoption("fuzz")
    phases = "examples,coverage,fuzzing,stateful" if examples else "examples,fuzzing"
    arguments = ["--phases", phases, "--max-examples", str(examples or 2), "--no-color", "--request-timeout", "60"]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(FUZZ / "schemathesis.toml")]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.fuzz.hooks", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, "run", f"{api.base_url}/openapi.json", *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout
