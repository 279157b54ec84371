"""RWKV-7 through the optional package rwkv: exact as every other model, and refused by name where it cannot be."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from perdure.errors import InvalidInput, RecipeMismatch
from perdure.runtime import Runtime, rwkv7
from perdure.runtime.attention import choose
from perdure.runtime.models import load
from perdure.testing.rwkv7 import tiny_rwkv7

from ..conftest import Opens

LONG = "The lighthouse keeper wrote down every ship that passed, its colour and its course. " * 4
DTYPES = ("float32", "bfloat16")
CUTS = [37, 38, 39, 40, 41, 54]
CLOSE = {"float32": 1e-5, "bfloat16": 0.03}


@pytest.fixture(scope="module", params=DTYPES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In place of the tiny llama: `opens` and `runtime` run an RWKV-7 here."""
    return tiny_rwkv7(tmp_path_factory.mktemp("rwkv7") / "model", dtype=request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of a test's own, to be spoilt."""
    return tiny_rwkv7(tmp_path / "model", layers=2)


def loaded(folder: Path) -> Any:
    return load(folder, name="tiny", threads=1).model


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def reweigh(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


# sessions


def test_resume_is_bit_identical(opens: Opens, tmp_path: Path) -> None:
    prompts = [LONG, "And then?", "Go on, please, " * 20, "Why?"]
    with opens(tmp_path / "a") as rt:
        rt.repository.create("s", rt.recipe, seed=7)
        never_stopped = rt.session("s")
        expected = [(never_stopped.chat(p).text, never_stopped.logits()) for p in prompts]
    for index, prompt in enumerate(prompts):
        with opens(tmp_path / "b") as rt:
            if index == 0:
                rt.repository.create("s", rt.recipe, seed=7)
            session = rt.session("s")
            reply = session.chat(prompt)
            assert reply.text == expected[index][0]
            assert torch.equal(session.logits(), expected[index][1])
            assert (reply.receipt.restored > 0) == (index > 0)
            assert reply.receipt.replayed == 0


def test_logits_after_resume_need_no_forward(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head over the stored hidden state is the whole model's answer (decision 0001)."""
    with opens() as rt:
        session = rt.session("s")
        session.chat(LONG)
        expected = session.logits()
    with opens() as rt:
        monkeypatch.setattr(type(rt.engine), "_forward", lambda *a, **k: pytest.fail("a forward pass was made"))
        assert torch.equal(rt.session("s").logits(), expected)


def test_rewind_gives_the_earlier_state(opens: Opens) -> None:
    seen = []
    with opens() as rt:
        session = rt.session("s")
        for prompt in (LONG, "And then?", "Why?"):
            session.chat(prompt)
            seen.append(session.logits())
        session.undo()
        assert torch.equal(session.logits(), seen[1])
    with opens() as rt:
        session = rt.session("s")
        session.reset("@turn:1")
        assert torch.equal(session.logits(), seen[0])
        session.chat("And then?")
        assert session.verify() == []


def test_fork_goes_its_own_way(runtime: Runtime) -> None:
    alice = runtime.session("alice")
    alice.chat(LONG)
    logits = alice.logits()
    bob = alice.fork("bob")
    bob.chat("You are Bob now.")
    assert not torch.equal(bob.logits(), logits)
    assert torch.equal(alice.logits(), logits)
    assert bob.verify() == []


def test_sessions_share_a_long_prompt(runtime: Runtime) -> None:
    first = runtime.session("one").chat(LONG * 3, temperature=0.0)
    second = runtime.session("two").chat(LONG * 3, temperature=0.0)
    assert first.receipt.reused == 0
    assert second.receipt.reused >= 128
    assert second.text == first.text
    assert torch.equal(runtime.session("one").logits(), runtime.session("two").logits())


def test_verify_is_clean_and_nothing_is_noted(runtime: Runtime) -> None:
    session = runtime.session("s")
    for prompt in (LONG, "And then?"):
        session.chat(prompt)
    assert session.verify() == []
    assert runtime.notes == []
    assert runtime.engine.adapter.identity == "rwkv7/1"


def test_the_recipe_names_package_and_layout(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    with opens() as rt:
        assert rt.recipe["attention"] == "rwkv 0.8.32, v7 value-key state"
        rt.session("s").chat("Hello.")
    monkeypatch.setattr(rwkv7, "ATTENTION", "rwkv 0.9, v7 value-key state")
    with opens() as rt, pytest.raises(RecipeMismatch, match=r"rwkv 0\.8\.32, v7 value-key state"):
        rt.session("s").chat("Still there?")


# the model


def test_state_is_three_tensors_a_layer_and_is_not_changed(model: Path) -> None:
    net = loaded(model)
    with torch.inference_mode():
        state = net(torch.tensor([[5, 6, 7, 8]])).state
        kept = [[tensor.clone() for tensor in layer] for layer in state]
        net(torch.tensor([[9, 10]]), state)
    assert [[list(t.shape) for t in layer] for layer in state] == [[[128], [2, 64, 64], [128]]] * 3
    assert {layer[1].dtype for layer in state} == {torch.float32}
    assert all(torch.equal(a, b) for one, two in zip(state, kept, strict=True) for a, b in zip(one, two, strict=True))
    assert all(t.untyped_storage().nbytes() == t.nbytes for layer in state for t in layer)


def test_parameters_are_the_tensors_of_the_file(model: Path) -> None:
    found = loaded(model).state_dict()
    stored = {n: t for n, t in load_file(model / "model.safetensors").items() if ".blocks.0.att.v" not in n or "value" in n}
    assert found.keys() == stored.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in stored.items())


OFFICIAL = """
import contextlib, io, sys, warnings
warnings.simplefilter("ignore")
import torch
from safetensors.torch import load_file, save_file
raw = {k.removeprefix("rwkv7."): v for k, v in load_file(sys.argv[1]).items()}
torch.load = lambda *a, **k: raw
torch.set_num_threads(1)
with contextlib.redirect_stdout(io.StringIO()):
    from rwkv.model import RWKV_x070
    net = RWKV_x070("x", "cpu fp32" if raw["head.weight"].dtype == torch.float32 else "cpu bf16")
state, out, start, ids = None, {}, 0, [3 + 7 * i % 250 for i in range(54)]
for end in map(int, sys.argv[3:]):
    logits, state = net.forward(ids[start:end], state)
    out[f"logits {end}"] = logits.clone()
    start = end
save_file({**out, **{f"state {i}": t.clone() for i, t in enumerate(state)}}, sys.argv[2])
"""


def follow(net: Any) -> dict[str, torch.Tensor]:
    """What `OFFICIAL` writes, computed here."""
    ids, state, start = [3 + 7 * i % 250 for i in range(54)], None, 0
    found: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for end in CUTS:
            out = net(torch.tensor([ids[start:end]]), state)
            found[f"logits {end}"], state, start = out.logits[0, 0], out.state, end
    assert state is not None
    return found | {f"state {i}": tensor for i, tensor in enumerate(tensor for layer in state for tensor in layer)}


def error(wanted: torch.Tensor, found: torch.Tensor) -> float:
    assert wanted.dtype == found.dtype
    return float((wanted.float() - found.float()).norm() / wanted.float().norm())


def test_the_packages_own_class_computes_the_same(model: Path, tmp_path: Path) -> None:
    """States are equal where our matrices lie in memory as its transposed copies do, else they differ by rounding."""
    given = [str(model / "model.safetensors"), str(tmp_path / "out"), *map(str, CUTS)]
    environment = {**os.environ, "RWKV_V7_ON": "1", "RWKV_JIT_ON": "0", "RWKV_CUDA_ON": "0"}
    subprocess.run([sys.executable, "-c", OFFICIAL, *given], env=environment, check=True)
    wanted, net = load_file(tmp_path / "out"), loaded(model)
    close = CLOSE[str(net.dtype).removeprefix("torch.")]
    ours = follow(net)
    assert ours.keys() == wanted.keys()
    assert max(error(wanted[name], ours[name]) for name in wanted) < close
    for linear in (module for module in net.modules() if isinstance(module, torch.nn.Linear)):
        linear.weight.data = linear.weight.data.t().contiguous().t()
    alike = follow(net)
    assert all(torch.equal(wanted[name], alike[name]) for name in wanted if name.startswith("state"))
    assert max(error(wanted[name], alike[name]) for name in wanted) < close


# the package


def settings() -> Mapping[str, object]:
    backends: Any = torch.backends
    return {
        "environment": dict(os.environ),
        "benchmark": backends.cudnn.benchmark,
        "convolutions": backends.cudnn.allow_tf32,
        "products": backends.cuda.matmul.allow_tf32,
        "precision": torch.get_float32_matmul_precision(),
        "precisions": [
            place.fp32_precision
            for place in (backends, backends.cuda.matmul, backends.cudnn, backends.mkldnn, backends.mkldnn.matmul)
        ],
        "modules": "rwkv.model" in sys.modules,
    }


def test_the_import_leaves_every_setting_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    before = settings()
    rwkv7.kernels.cache_clear()
    assert sorted(rwkv7.kernels()) == sorted(rwkv7.KERNELS)
    assert settings() == before
    assert torch._C._jit_set_autocast_mode(True) is True
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("version", [None, "0.8.31"])
def test_without_the_package_it_is_refused_by_name(
    folder: Path, version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stated(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    rwkv7.kernels.cache_clear()
    monkeypatch.setattr(importlib.metadata, "version", stated)
    with pytest.raises(InvalidInput, match=r"need the package rwkv 0\.8\.32.*pip install perdure\[rwkv7\]"):
        load(folder, name="tiny")


def test_perdure_runs_other_models_without_it() -> None:
    code = (
        "import sys; sys.modules['rwkv'] = None; import perdure.runtime, perdure.runtime.rwkv7; "
        "assert 'rwkv.model' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_transformers_need_not_know_the_type(folder: Path) -> None:
    assert choose(folder) is None
    edit(folder / "tokenizer_config.json", tokenizer_class="Rwkv7Tokenizer")
    assert load(folder, name="tiny").info.architecture == "Rwkv7Model"


# what cannot be computed


@pytest.mark.parametrize(
    ("setting", "value"),
    [("head_dim", 32), ("norm_eps", 1e-6), ("tie_word_embeddings", True), ("use_deep_embed", True)],
)
def test_a_setting_the_package_lacks_is_refused(folder: Path, setting: str, value: object) -> None:
    edit(folder / "config.json", **{setting: value})
    with pytest.raises(InvalidInput, match=f"{setting} {value} in its config.json.* only"):
        load(folder, name="tiny")


def test_a_size_that_is_not_stated_is_refused(folder: Path) -> None:
    stated = json.loads((folder / "config.json").read_text())
    del stated["gate_low_rank_dim"]
    (folder / "config.json").write_text(json.dumps(stated))
    with pytest.raises(InvalidInput, match=r"cannot be loaded: .*gate_low_rank_dim"):
        load(folder, name="tiny")


def test_a_missing_tensor_is_refused(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.pop("rwkv7.blocks.1.att.w1"))
    with pytest.raises(InvalidInput, match=r"incomplete: 1 tensors are missing or misshapen \(rwkv7\.blocks\.1\.att\.w1\)"):
        load(folder, name="tiny")


def test_a_misshapen_tensor_is_refused(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.update({"head.weight": torch.zeros(3, 128)}))
    with pytest.raises(InvalidInput, match=r"incomplete: 1 tensors are missing or misshapen \(head\.weight\)"):
        load(folder, name="tiny")


def test_a_tensor_too_many_is_refused(folder: Path) -> None:
    reweigh(folder, lambda tensors: tensors.update({"rwkv7.blocks.0.ffn.s_emb.weight": torch.zeros(4)}))
    with pytest.raises(InvalidInput, match=r"1 tensors .*s_emb\.weight"):
        load(folder, name="tiny")


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.pth")
    with pytest.raises(InvalidInput, match="pickled"):
        load(folder, name="tiny")
