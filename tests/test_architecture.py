"""The maps keep up with the code: docs/architecture.md names every module, docs/format.md every kind of object."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
FORMAT = ROOT / "docs" / "format.md"


def modules() -> set[str]:
    files = (ROOT / "perdure").rglob("*.py")
    return {file.relative_to(ROOT).as_posix() for file in files if file.name != "__init__.py"}


def described() -> list[str]:
    """The modules that have a line of their own."""
    return re.findall(r"^\| `(perdure/[\w/]+\.py)` \|", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_module_is_on_the_map() -> None:
    assert modules() - set(described()) == set()


def test_every_module_on_the_map_exists() -> None:
    assert set(described()) - modules() == set()


def test_no_module_is_on_the_map_twice() -> None:
    assert len(described()) == len(set(described()))


def test_each_module_stands_under_its_room() -> None:
    for section in re.split(r"^### ", ARCHITECTURE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        room = section.splitlines()[0]
        if room in ("api", "runtime", "memory", "stores", "kernels"):
            table = section.split("\n## ")[0]
            assert set(re.findall(r"^\| `perdure/(\w+)/", table, re.MULTILINE)) == {room}


def test_every_kind_of_object_stands_in_the_format() -> None:
    kinds = set(written_kinds())
    assert "kv-block" in kinds
    headings = set(re.findall(r"^### `([\w-]+)`$", FORMAT.read_text(encoding="utf-8"), re.MULTILINE))
    assert headings == kinds


def written_kinds() -> Iterator[str]:
    """First arguments of `put` and `encode` that are texts or constants of a module."""
    for name in sorted(modules()):
        if name.startswith(("perdure/memory/", "perdure/runtime/")):
            tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and _writes(node):
                    yield from _kind(node.args[0], name)


def _writes(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("put", "encode") and bool(call.args)


def _kind(argument: ast.expr, name: str) -> Iterator[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value.islower():
        yield argument.value
    elif isinstance(argument, ast.Name) and argument.id.isupper():
        yield str(getattr(import_module(name.removesuffix(".py").replace("/", ".")), argument.id))
