"""No family's session takes more memory than was reckoned before its turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.runtime.residence import Occupant, Residence

from .conftest import Bench, few
from .script import FIRST, LAST, begun, say


class Promised(Residence):
    """A budget without an end, that keeps what was promised last."""

    def expect(self, occupant: Occupant, need: int) -> None:
        self.last = need
        super().expect(occupant, need)


@few("llama", "gemma3", "gpt_oss", "mamba", "jamba", "rwkv", "xlstm", "qwen3_next", "recurrent_gemma", dtypes=("bfloat16",))
def test_a_turn_takes_no_more_than_was_promised(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spares = bench.engine.adapter.spares
    monkeypatch.setattr(spares, "snug", True)
    spares.trim(0)
    residence = Promised(None, 1 << 40, spares=spares)
    with bench.at(tmp_path / "store", residence=residence) as rt:
        session = begun(rt)
        for turn, said in enumerate((FIRST, LAST), 1):
            say(session, said, turn)
            assert 0 < sum(state.resident for state in session.states()) <= residence.last
            session.close()
            session = rt.session("s")
        assert session.logits().numel()
        assert 0 < sum(state.resident for state in session.states()) <= session.need(0)
    spares.trim(0)
