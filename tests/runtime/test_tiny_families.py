"""Every tiny family loads from its folder whole, is alive in its logits and is written the same twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from perdure.testing.families import FAMILIES, NEWER, tiny_model
from perdure.testing.tiny import END_OF_TURN

ONLY_WINDOWS = {"ministral3", "mistral", "phi3", "starcoder2"}


class Written(NamedTuple):
    family: str
    folder: Path
    model: Any
    report: dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


ALL = pytest.mark.parametrize("written", [*FAMILIES, *NEWER], indirect=True)
CLASSIC = pytest.mark.parametrize("written", FAMILIES, indirect=True)
"""The newer ones go the same ways, and what they give in bfloat16 is compared in `tests/families`."""


@pytest.fixture(scope="module")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tiny_model(request.param, tmp_path_factory.mktemp(request.param))
    return Written(request.param, folder, *_load(folder))


def _load(folder: Path) -> tuple[Any, dict[str, Any]]:
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype="auto", local_files_only=True, trust_remote_code=False, output_loading_info=True
    )
    return model.eval(), report


def _tokens(length: int) -> torch.Tensor:
    return torch.randint(3, 250, (1, length), generator=torch.Generator().manual_seed(3))


@ALL
def test_loads_whole(written: Written) -> None:
    assert not any(written.report.values()), written.report
    assert written.model.dtype == torch.float32
    config = written.model.config
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, END_OF_TURN, 0)


@ALL
def test_state_matters(written: Written) -> None:
    tokens = _tokens(80 if written.family in ONLY_WINDOWS else 100)
    other = tokens.clone()
    other[0, 0] += 1
    with torch.no_grad():
        logits, changed = (written.model(ids).logits[0] for ids in (tokens, other))
    assert 0.5 < logits.std() < 5
    assert (logits[-1] - changed[-1]).abs().max() > 1e-3


@CLASSIC
def test_goes_on_after_the_chat_prompt(written: Written) -> None:
    tokenizer = AutoTokenizer.from_pretrained(written.folder)
    turn = [{"role": "user", "content": "hello there"}]
    ids = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_tensors="pt", return_dict=False)
    with torch.no_grad():
        for _ in range(24):
            token = written.model(ids, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)
            assert token.item() != END_OF_TURN
            ids = torch.cat([ids, token], dim=1)


@CLASSIC
def test_finite_in_bfloat16(written: Written, tmp_path: Path) -> None:
    model, report = _load(tiny_model(written.family, tmp_path, dtype="bfloat16"))
    assert not any(report.values()), report
    assert model.dtype == torch.bfloat16
    with torch.no_grad():
        assert model(_tokens(100)).logits.isfinite().all()


@CLASSIC
def test_same_bytes_twice(written: Written, tmp_path: Path) -> None:
    torch.rand(1)
    tiny_model(written.family, tmp_path)
    for file in written.folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_seed_changes_the_weights_and_leaves_the_global_generator(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    first, second = (tiny_model("mamba2", tmp_path / str(seed), seed=seed) for seed in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert (first / "model.safetensors").read_bytes() != (second / "model.safetensors").read_bytes()


def test_unknown_family(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        tiny_model("no such family", tmp_path)
