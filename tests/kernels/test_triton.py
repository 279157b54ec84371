"""The Triton paths: run in Triton's interpreter, and compiled for the GPUs they are meant for.

Triton decides when it is imported whether it interprets or compiles, so each file of such cases has a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed (it is for Linux; make test installs it there)"
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INTERPRETED = sorted(HERE.glob("interpreted_*.py"))
COMPILED = sorted(HERE.glob("compiled_*.py"))


def ran(file: Path, compilations: Path, interpret: bool) -> None:
    """Run one file of cases and fail with what it printed."""
    told = {"TRITON_INTERPRET": str(int(interpret)), "TRITON_CACHE_DIR": str(compilations), "OMP_NUM_THREADS": "1"}
    # What other tests share, and plugins that none of these needs, take three times as long to load as torch and Triton.
    told["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TRITON_"))} | told
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--confcutdir={file.parent}", str(file)]
    result = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        pytest.fail(f"{file.name} ended with {result.returncode}\n{result.stdout}", pytrace=False)


@pytest.fixture
def compilations(pytestconfig: pytest.Config) -> Path:
    """Where what was compiled is kept for the next run; Triton keys it by source, options and version."""
    cache = pytestconfig.cache
    assert cache is not None
    return cache.mkdir("triton")


@pytest.mark.parametrize("file", INTERPRETED, ids=lambda file: file.stem)
def test_results_are_right_in_the_interpreter(file: Path, compilations: Path) -> None:
    ran(file, compilations, interpret=True)


@pytest.mark.parametrize("file", COMPILED, ids=lambda file: file.stem)
def test_it_compiles_without_spilling(file: Path, compilations: Path) -> None:
    ran(file, compilations, interpret=False)


def test_every_triton_path_is_covered() -> None:
    paths = {path.parent.name for path in (ROOT / "perdure/kernels").glob("*/gpu.py")}
    assert paths <= {file.stem.removeprefix("interpreted_") for file in INTERPRETED}
    assert paths <= {file.stem.removeprefix("compiled_") for file in COMPILED}
