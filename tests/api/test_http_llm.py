"""The command line client `llm`, as it is installed, against a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from llm.cli import cli

from .fakes import FakeRuntime
from .http_server import Api, serving

MODELS = """
- model_id: ada
  model_name: tiny
  api_base: {url}/v1
  headers: {{X-Session-ID: ada}}
- model_id: bob
  model_name: tiny@bob
  api_base: {url}/v1
- model_id: bare
  model_name: tiny
  api_base: {url}/v1
- model_id: responses
  model_name: tiny
  api_base: {url}/v1
  responses: true
"""


class Llm:
    """`llm` with a folder of its own, which no other installation sees."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "extra-openai-models.yaml").write_text(MODELS.format(url=url))
        self._runner = CliRunner(env={"LLM_USER_PATH": str(folder)})

    def __call__(self, *arguments: str, said: str = "") -> str:
        done = self._runner.invoke(cli, list(arguments), input=said, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output.strip()


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with serving(FakeRuntime()) as api:
        yield api


@pytest.fixture
def llm(api: Api, tmp_path: Path) -> Llm:
    return Llm(tmp_path, str(api.base_url).rstrip("/"))


def said(api: Api, session: str) -> list[str]:
    return [content for role, content in api.runtime.talk(session) if role == "user"]


def test_a_prompt_and_what_follows_it(api: Api, llm: Llm) -> None:
    """-c sends all that was said again; the session holds it once."""
    assert llm("-m", "ada", "one") == "echo 1: one"
    assert llm("-c", "two") == "echo 3: two"
    assert llm("-c", "--no-stream", "three") == "echo 5: three"
    assert said(api, "ada") == ["one", "two", "three"]


def test_chats_twice_in_a_row(api: Api, llm: Llm) -> None:
    """A chat resends what was said in it; the next one goes on with -c, or with a message of its own."""
    chat = llm("chat", "-m", "bob", said="one\ntwo\nquit\n")
    assert [line for line in chat.splitlines() if "echo" in line] == ["echo 1: one", "echo 3: two"]
    assert "echo 5: three" in llm("chat", "-c", said="three\nquit\n")
    assert "echo 7: four" in llm("chat", "-m", "bob", said="four\nquit\n")
    assert said(api, "bob") == ["one", "two", "three", "four"]
    assert "bob-fork-1" not in api.runtime.repository.branches


def test_responses_without_a_session(api: Api, llm: Llm) -> None:
    assert llm("-m", "responses", "hello") == "echo 1: hello"
    assert llm("-c", "again") == "echo 3: again"


def test_nothing_is_kept_for_who_names_no_session(api: Api, llm: Llm) -> None:
    before = set(api.runtime.repository.branches)
    assert llm("-m", "bare", "hello") == "echo 1: hello"
    assert llm("-c", "again") == "echo 3: again"
    assert set(api.runtime.repository.branches) == before
