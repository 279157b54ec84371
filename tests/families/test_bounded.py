"""Every family with layers that attend to everything: conversations beyond the window, recalled, resumed, replayed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from perdure.config import MemoryOptions, Sampling
from perdure.memory.repository import Repository
from perdure.runtime.runtime import Runtime, load_model
from perdure.testing.encoder import HashedWords
from perdure.testing.families import FAMILIES, tiny_model

OPTIONS = MemoryOptions(window=128, block=64, sinks=4, summary=24, recall_tokens=96)
FACT = "My cousin Tamsin keeps a pangolin called Biscuit"
FILLER = "the quick brown fox jumps over the lazy dog while seven wizards judge my vow "
WITHOUT = {"mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm", "recurrent_gemma", "mistral"}
"""Families none of whose layers attends to everything (this Mistral slides in each)."""
DEAF = {"gemma2", "gpt_oss", "deepseek_v3", "zamba", "zamba2", "kimi_linear"}
"""Families whose attention does not come by: they evict without a summary and recall without a score added."""

Opened = Callable[[Path], Runtime]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def over(family: str, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder = tmp_path_factory.mktemp(family)
    tiny_model(family, folder / "model", dtype="bfloat16")
    loaded = load_model(folder / "model", family, threads=1, cache=folder / "cache")

    def opened(store: Path) -> Runtime:
        sampling = Sampling(max_tokens=3, temperature=0.0)
        return Runtime(loaded, Repository.open(store), sampling, threads=1, memory=OPTIONS, encoder=HashedWords)

    return opened


def test_a_family_says_what_it_can(family: str, over: Opened, tmp_path: Path) -> None:
    with over(tmp_path / "store") as runtime:
        adapter = runtime.engine.adapter
        assert adapter.movable == (family not in WITHOUT)
        assert adapter.hears == (family not in WITHOUT | DEAF)


def test_beyond_the_window_and_back(family: str, over: Opened, tmp_path: Path) -> None:
    """Told a fact, talked on until it left, asked: recalled, resumed to the bit by a new runtime, replayed from nothing."""
    if family in WITHOUT:
        with over(tmp_path / "store") as runtime:
            assert runtime.budget(0) is None
        return
    with over(tmp_path / "store") as runtime:
        session = runtime.session("s")
        session.chat(FACT)
        for turn in range(5):
            session.chat(f"{turn} " + FILLER * 3)
        receipt = session.chat("What is the pangolin of my cousin Tamsin called?").receipt
        assert receipt.recalled
        state = session.warm.state
        assert state.place.oldest >= 128
        assert state.place.entries(state.seen) <= runtime.budget(0).most  # type: ignore[union-attr]
        there = session.logits()
        probed = session.probe("What is the pangolin of my cousin Tamsin called?")
        assert (probed.why == "") == runtime.engine.adapter.hears == bool(probed.entries)
        assert [item.layer for item in probed.layers] == sorted(getattr(runtime.engine.adapter, "heard", ()))
    with over(tmp_path / "store") as runtime:
        session = runtime.session("s")
        assert torch.equal(session.logits(), there)
        session.chat(FILLER * 2)
        assert session.verify() == []
