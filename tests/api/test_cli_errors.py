"""Failures: one sentence, the right status, and never a trace that nobody asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from perdure import __version__, errors
from perdure.api.cli import app
from perdure.api.cli.boundary import EXIT_CODES

from .fakes_cli import FakeRuntime, family, install


def tree(kind: type[errors.PerdureError]) -> Iterator[type[errors.PerdureError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime(family())
    install(monkeypatch, fake)
    return fake


@pytest.mark.parametrize("kind", [kind for kind in tree(errors.PerdureError) if kind.__module__ == errors.__name__])
def test_each_error_is_one_sentence_and_its_status(runtime: FakeRuntime, kind: type[errors.PerdureError]) -> None:
    runtime.repository.fails = kind("Something is wrong;\n  mend it.")
    result = CliRunner().invoke(app, ["log", "alice"])
    assert result.exit_code == kind.exit_code
    assert result.exit_code in EXIT_CODES
    assert result.stderr == "perdure: Something is wrong; mend it.\n"
    assert result.stdout == ""


def test_a_bug_says_how_to_see_its_trace(runtime: FakeRuntime) -> None:
    runtime.repository.fails = RuntimeError("the cat sat on it")
    result = CliRunner().invoke(app, ["log", "alice"])
    assert result.exit_code == 70
    assert result.stderr == (
        "perdure: RuntimeError: the cat sat on it. "
        "This is a bug in Perdure; run the command again with --debug to see the trace.\n"
    )


@pytest.mark.parametrize("error", [RuntimeError("odd"), errors.StoreFull("The disk is full.")])
def test_debug_shows_the_trace_once(runtime: FakeRuntime, error: Exception) -> None:
    runtime.repository.fails = error
    result = CliRunner().invoke(app, ["log", "alice", "--debug"])
    assert "Traceback" in result.stderr
    assert "Traceback" not in CliRunner().invoke(app, ["log", "alice"]).stderr


def test_debug_by_environment(runtime: FakeRuntime) -> None:
    runtime.repository.fails = RuntimeError("odd")
    assert "Traceback" in CliRunner(env={"PERDURE_DEBUG": "1"}).invoke(app, ["log", "alice"]).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["--nope"],
        ["ls", "--nope"],
        ["fork", "alice"],
        ["log", "alice", "-n", "0"],
        ["log", "alice", "-n", "many"],
        ["gc", "--expire-days", "-1"],
        ["serve", "--port", "70000"],
        ["chat", "two", "words"],
    ],
)
def test_wrong_usage_is_one_sentence_that_names_the_help(runtime: FakeRuntime, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert re.fullmatch(r"perdure: .+ See `perdure( \w+)? --help`\.\n", result.stderr)


def test_an_interruption(runtime: FakeRuntime) -> None:
    runtime.repository.fails = KeyboardInterrupt()  # type: ignore[assignment]
    result = CliRunner().invoke(app, ["log", "alice"])
    assert result.exit_code == 130


def test_version_and_bare_command() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"perdure {__version__}\n"
    bare = CliRunner().invoke(app, [])
    assert bare.exit_code == 0
    assert bare.stdout == CliRunner().invoke(app, ["--help"]).stdout
    assert all(f"{code:<4} {meaning}" in bare.stdout for code, meaning in EXIT_CODES.items())


FAKED = """
import sys
import pytest
from tests.api.fakes_cli import FakeRuntime, family, install
install(pytest.MonkeyPatch(), FakeRuntime(family()))
from perdure.api.cli import main
try:
    main()
finally:
    heavy = sorted({"torch", "transformers", "fastapi"} & set(sys.modules))
    print("loaded", heavy, file=sys.stderr)
"""


def shell(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "ls",
        "log alice",
        "show alice",
        "fork alice carol",
        "diff alice bob",
        "reset alice HEAD~1",
        "tag",
        "models",
    ],
)
def test_history_is_read_without_torch(line: str) -> None:
    done = shell(FAKED, *line.split())
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("loaded []\n")


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, "3000 None"), ({"GOMP_SPINCOUNT": "5"}, "5 None"), ({"OMP_WAIT_POLICY": "active"}, "None active")],
)
def test_threads_wait_as_the_user_says(given: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And else so that another program on the machine does not slow them down twenty times."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    told = 'import os\n    print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"), file=sys.stderr)'
    done = shell(FAKED.replace("finally:", f"finally:\n    {told}"), "ls")
    assert done.stderr.splitlines() == [found, "loaded []"]


@pytest.mark.parametrize("command", ["ls", "fsck", "log"])
def test_the_real_repository_loads_no_torch(command: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from perdure.memory import Repository\n"
        "Repository.open(Path(sys.argv[-1])).close()\n"
        "from perdure.api.cli import app\n"
        "status = app(sys.argv[1:], standalone_mode=False)\n"
        "sys.exit(70 if {'torch', 'transformers'} & set(sys.modules) else status)\n"
    )
    done = shell(program, command, "--store", str(tmp_path))
    assert done.returncode == (3 if command == "log" else 0), done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    program = FAKED.replace("family", "long")
    command = [sys.executable, "-c", program, "log", "alice"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 141
    assert said == "loaded []\n"
