"""The Python of docs/clients.md runs as it stands, but for the address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .api.fakes import FakeRuntime
from .api.http_server import serving

PAGE = Path(__file__).parent.parent / "docs" / "clients.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_run(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(FakeRuntime()) as api:
        here = program.replace("http://127.0.0.1:8400", str(api.base_url).rstrip("/"))
        names: dict[str, Any] = {}
        exec(here.replace("smollm2-135m-instruct", "tiny"), names)
        names["client"].close()
    assert capsys.readouterr().out.strip() == "echo 1: My cat is called Tom. ada"
