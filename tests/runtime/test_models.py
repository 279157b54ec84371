"""Finding and loading models."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from perdure.errors import InvalidInput, ModelNotFound
from perdure.runtime import fingerprint, models
from perdure.runtime.models import load, quiet, resolve
from perdure.testing.tiny import tiny_llama

from .tiny_gguf import write_gguf


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "tiny", ignore=shutil.ignore_patterns(".perdure"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def field_that_differs(a: Path, b: Path, **options: Any) -> list[str]:
    stored, present = load(a, name="m", threads=1).recipe, load(b, name="m", **{"threads": 1, **options}).recipe
    return [part.field for part in stored.difference(present)]


def test_a_loaded_model_is_ready_and_described(folder: Path) -> None:
    loaded = load(folder, name="tiny", threads=1)
    assert loaded.info.name == "tiny"
    assert loaded.info.architecture == "LlamaForCausalLM"
    assert (loaded.info.context_length, loaded.info.dtype) == (2048, "float32")
    assert loaded.info.parameters == sum(t.numel() for t in load_file(folder / "model.safetensors").values())
    assert loaded.info.fingerprint == loaded.recipe.hex
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert loaded.recipe["attention"] == loaded.config._attn_implementation == "sdpa"
    assert loaded.recipe["threads"] == "1"
    assert loaded.chat.stop_tokens == {0, 2}


def test_the_tiny_model_says_varied_things(folder: Path) -> None:
    loaded = load(folder, name="tiny", threads=1)
    tokens = loaded.tokenizer.encode("The quick brown fox jumps over the lazy dog", add_special_tokens=False)
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([tokens])).logits[0]
    assert 1.0 < logits.std(-1).mean() < 6.0
    assert len(set(logits.argmax(-1).tolist())) > 8


def test_the_same_seed_gives_the_same_model_and_another_seed_does_not(tmp_path: Path, original: Path) -> None:
    assert field_that_differs(original, tiny_llama(tmp_path / "same")) == []
    assert field_that_differs(original, tiny_llama(tmp_path / "other", seed=1)) == ["weights"]


@pytest.mark.parametrize(("options", "field"), [({"dtype": "bfloat16"}, "dtype"), ({"attention": "eager"}, "attention")])
def test_how_it_is_loaded_is_part_of_the_recipe(original: Path, options: dict[str, str], field: str) -> None:
    assert field in field_that_differs(original, original, **options)


def test_threads_are_part_of_the_recipe(original: Path) -> None:
    try:
        assert field_that_differs(original, original, threads=2) == ["threads"]
    finally:
        torch.set_num_threads(1)


def test_a_changed_template_tokenizer_or_configuration_is_named(folder: Path, original: Path) -> None:
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert field_that_differs(original, folder) == ["chat_template"]
    edit(folder / "config.json", rms_norm_eps=1e-4)
    assert field_that_differs(original, folder) == ["config", "chat_template"]
    words = json.loads((folder / "tokenizer.json").read_text())
    words["model"]["merges"].pop()
    (folder / "tokenizer.json").write_text(json.dumps(words))
    assert field_that_differs(original, folder) == ["config", "tokenizer", "chat_template"]


def test_names_and_versions_in_the_configuration_do_not_matter(folder: Path, original: Path) -> None:
    edit(folder / "config.json", _name_or_path="elsewhere", transformers_version="5.0.0", initializer_range=0.5)
    assert field_that_differs(original, folder) == []


def test_the_digest_of_the_weights_is_remembered(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(folder, name="m", cache=tmp_path / "cache").recipe
    monkeypatch.setattr(fingerprint, "weights_digest", lambda _: pytest.fail("computed again"))
    assert load(folder, name="m", cache=tmp_path / "cache").recipe == first
    assert not (folder / ".perdure").exists()


def test_replaced_weights_are_never_taken_for_the_old_ones(folder: Path) -> None:
    file = folder / "model.safetensors"
    before, times = load(folder, name="m").recipe, file.stat()
    tensors = load_file(file)
    tensors["lm_head.weight"] = -tensors["lm_head.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_size == times.st_size
    assert [part.field for part in before.difference(load(folder, name="m").recipe)] == ["weights"]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"digest": "00", "seal": "00", "key": []}'])
def test_a_damaged_memory_is_ignored(folder: Path, damage: bytes) -> None:
    before = load(folder, name="m").recipe
    (entry,) = (folder / ".perdure").iterdir()
    entry.write_bytes(damage)
    assert load(folder, name="m").recipe == before


def test_an_altered_digest_is_ignored(folder: Path) -> None:
    before = load(folder, name="m").recipe
    (entry,) = (folder / ".perdure").iterdir()
    edit(entry, digest="0" * 64)
    assert load(folder, name="m").recipe == before


def test_a_folder_that_cannot_be_written_is_no_obstacle(folder: Path) -> None:
    (folder / ".perdure").write_text("in the way")
    assert load(folder, name="m").recipe == load(folder, name="m").recipe


def test_tied_weights_count_once(folder: Path) -> None:
    edit(folder / "config.json", tie_word_embeddings=True)
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    loaded = load(folder, name="m")
    assert loaded.info.parameters == sum(t.numel() for t in tensors.values())


def test_half_precision_runs_in_single_on_a_cpu(folder: Path) -> None:
    tensors = {name: t.half() for name, t in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    edit(folder / "config.json", dtype="float16")
    assert load(folder, name="m", device="cpu").info.dtype == "float32"
    assert load(folder, name="m", device="cpu", dtype="float16").info.dtype == "float16"


def test_a_missing_tensor_is_not_made_up(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InvalidInput, match=r"incomplete: 1 tensors? .*layers\.1\.mlp\.up_proj"):
        load(folder, name="m")


def test_a_tensor_of_another_shape_is_refused(folder: Path) -> None:
    edit(folder / "config.json", vocab_size=400)
    with pytest.raises(InvalidInput, match=r"cannot be loaded|incomplete"):
        load(folder, name="m")


@pytest.mark.parametrize(("name", "what"), [("model.safetensors", "model"), ("tokenizer.json", "tokenizer")])
def test_a_truncated_file_is_refused(folder: Path, name: str, what: str) -> None:
    file = folder / name
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InvalidInput, match=f"The {what} in .* cannot be loaded"):
        load(folder, name="m")


def test_code_in_a_folder_is_never_run(folder: Path) -> None:
    edit(folder / "config.json", model_type="strange", auto_map={"AutoModelForCausalLM": "code.Model"})
    (folder / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InvalidInput, match="cannot be loaded"):
        load(folder, name="m")


@pytest.mark.parametrize(
    ("options", "said"), [({"dtype": "int8"}, "int8"), ({"threads": 0}, "threads is 0"), ({"attention": "odd"}, "odd")]
)
def test_settings_are_checked(folder: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        load(folder, name="m", **options)


def test_what_a_folder_lacks_is_said(folder: Path, tmp_path: Path) -> None:
    for name, said in (("tokenizer.json", "no tokenizer"), ("config.json", r"no config\.json")):
        (folder / name).rename(tmp_path / name)
        with pytest.raises(InvalidInput, match=said):
            load(folder, name="m")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InvalidInput, match="holds no model"):
        load(folder, name="m")
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InvalidInput, match="pickled"):
        load(folder, name="m")
    with pytest.raises(InvalidInput, match="not a folder"):
        load(folder / "nothing", name="m")


def test_a_gguf_file_is_loaded_as_it_is(tmp_path: Path) -> None:
    write_gguf(tmp_path / "gguf" / "tiny.gguf")
    loaded = load(tmp_path / "gguf", name="g", dtype="float32")
    pieces = loaded.tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("a\n\n12")
    assert [piece for piece, _ in pieces] == ["a", "\u010a\u010a", "1", "2"]
    assert loaded.chat.has_template
    with torch.inference_mode():
        assert loaded.model(torch.tensor([[5, 6, 7]])).logits.isfinite().all()
    write_gguf(tmp_path / "gguf" / "second.gguf")
    with pytest.raises(InvalidInput, match="several GGUF"):
        load(tmp_path / "gguf", name="g")


def test_resolve_finds_names_hub_ids_and_folders(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in ("smollm2-135m-instruct", "owner--model"):
        shutil.copytree(folder, cache / "models" / name)
    assert resolve("SmolLM2", cache) == cache / "models" / "smollm2-135m-instruct"
    assert resolve("owner/model", cache) == cache / "models" / "owner--model"
    assert resolve(folder, cache) == folder
    with pytest.raises(ModelNotFound, match="perdure pull other/model"):
        resolve("other/model", cache)
    with pytest.raises(ModelNotFound, match="perdure pull smollm2-135m-instruct"):
        resolve("smollm2", tmp_path)
    for odd in ("../../etc", "", ".", "a\x00b"):
        with pytest.raises((ModelNotFound, InvalidInput)):
            resolve(odd, cache)


def test_quiet_puts_everything_back() -> None:
    from transformers.utils import logging

    before = (logging.get_verbosity(), logging.is_progress_bar_enabled())
    with quiet():
        assert not logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_context_length_of_a_model_without_a_limit() -> None:
    class Config:
        def get_text_config(self, decoder: bool) -> Config:
            return self

    assert models._context_length(Config()) == models.UNBOUNDED_CONTEXT
