"""README and docs/ say what the command line does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from perdure.api.cli import app
from perdure.api.cli.boundary import EXIT_CODES
from perdure.api.cli.reference import renewed
from perdure.api.http import create_app

from .api.fakes import FakeRuntime

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
LEAVES: dict[str, Any] = {
    path: leaf
    for name, command in COMMANDS.items()
    for path, leaf in (
        {f"{name} {inner}": found for inner, found in command.commands.items()}
        if hasattr(command, "commands")
        else {name: command}
    ).items()
}
"""The commands that do something: those in a group by both names."""

FENCE = re.compile(r"^```(?:sh|console|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(perdure [a-z][^`]*)`")


def command_lines(page: Path) -> list[str]:
    """Every line that starts with perdure in a shell block, and every `perdure ...` in the text."""
    text = page.read_text(encoding="utf-8")
    fenced = [line.removeprefix("$ ") for block in FENCE.findall(text) for line in block.splitlines()]
    prose = INLINE.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line for line in (*fenced, *prose) if line.startswith("perdure ") and "..." not in line]


def words(line: str) -> list[str]:
    """The arguments of a command line, up to where the shell takes over."""
    found = shlex.split(line, comments=True)[1:]
    stops = [number for number, word in enumerate(found) if word in {"|", ">", "&&", ";", "2>"}]
    return found[: stops[0]] if stops else found


LINES = [pytest.param(line, id=f"{page.name}: {line[:60]}") for page in PAGES for line in command_lines(page)]


@pytest.mark.parametrize("line", LINES)
def test_every_command_line_parses(line: str) -> None:
    name, *arguments = words(line)
    assert name in COMMANDS
    if f"{name} {' '.join(arguments[:1])}" in LEAVES:
        name, arguments = f"{name} {arguments[0]}", arguments[1:]
    alone = len(arguments) == 0  # prose that names a command without its arguments
    {**COMMANDS, **LEAVES}[name].make_context(name, arguments, resilient_parsing=alone)


def test_readme_shows_every_command_it_can() -> None:
    shown = {words(line)[0] for line in command_lines(ROOT / "README.md")}
    assert set(COMMANDS) - shown == {"models"}


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_and_option_has_help(name: str) -> None:
    command = LEAVES[name]
    assert command.help.strip().endswith(".")
    assert all(getattr(parameter, "help", None) for parameter in command.params)
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--debug" in options
    assert name in {"serve", "mcp"} or "--json" in options
    needs_a_model = {"chat", "serve", "mcp", "bench", "verify", "remember", "memory", "consolidate"}
    assert ("--model" in options) == (name in needs_a_model)
    assert ("--store" in options) == (name not in {"pull", "models", "bench", "calibrate"})


def test_the_reference_is_fresh() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == renewed(page), "run `make docs`"


def test_every_endpoint_is_documented() -> None:
    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    paths = create_app(FakeRuntime()).openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", page, re.MULTILINE)) == served


def test_readme_lists_the_exit_codes() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"| {code} | {meaning} |" in text for code, meaning in EXIT_CODES.items())


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links {target}"


def test_every_dependency_is_pinned() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    names = re.findall(r'^    "([A-Za-z0-9_-]+)[><=]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert names
    assert [name for name in names if f"\n{name.lower()}==" not in pins] == []
