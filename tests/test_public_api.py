"""What `import perdure` promises."""

from __future__ import annotations

import subprocess
import sys

import pytest

import perdure

NAMES = [
    "open",
    "Runtime",
    "Session",
    "Stream",
    "Reply",
    "Receipt",
    "Chunk",
    "Message",
    "Commit",
    "Sampling",
    "CheckpointOptions",
    "MemoryOptions",
    "PagingOptions",
    "Repository",
    "Client",
    "AsyncClient",
    "PerdureError",
    "errors",
    "__version__",
]


def test_the_names() -> None:
    assert perdure.__all__ == NAMES
    assert set(NAMES) <= set(dir(perdure))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_there(name: str) -> None:
    assert getattr(perdure, name) is getattr(perdure, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        perdure.nothing  # noqa: B018


def test_importing_it_is_light() -> None:
    program = "import perdure, sys; sys.exit(bool({'torch', 'transformers', 'numpy', 'typer', 'httpx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0


def test_python_m_perdure() -> None:
    done = subprocess.run([sys.executable, "-m", "perdure", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"perdure {perdure.__version__}\n"
