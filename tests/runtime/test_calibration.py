"""Calibrating the Infini memory: gates that improve or stay closed, files that are refused, sessions that use them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from perdure.api.cli import app
from perdure.config import MemoryOptions
from perdure.errors import InvalidInput, RecipeMismatch
from perdure.memory.summary import Calibration, Infini, SinksOnly
from perdure.runtime import Runtime
from perdure.runtime.calibration import Setting, Wanted, calibrate
from perdure.runtime.calibration.learner import Learner
from perdure.runtime.calibration.pipeline import cut
from perdure.runtime.calibration.streams import Streams
from perdure.runtime.calibrations import Calibrations, Stored, fingerprint
from perdure.runtime.models import LoadedModel
from perdure.runtime.runtime import load_model
from perdure.testing.tiny import tiny_llama

from ..conftest import Opens
from .gates import made_up, put_in_force
from .test_bounded import WORDS, long_chat

INFINI = MemoryOptions(window=128, block=128, sinks=4, backend="infini", recall="off")
QUICK = Wanted(maps=False, tokens=6 * 1024, length=1024, setting=Setting(256, 256))
TEXT = "".join(f"{number} {WORDS[number % 40 :]}{number * number}. " for number in range(400))


def quiet(stage: str, done: int, total: int) -> None:
    """No progress bar."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tiny_llama(tmp_path_factory.mktemp("model") / "tiny", dtype="float32")
    return load_model(folder, "tiny", threads=1, cache=folder.parent / "cache")


def logits_with(opens: Opens, store: Path, memory: MemoryOptions) -> torch.Tensor:
    with opens(store, memory=memory) as runtime:
        session = runtime.session("s")
        long_chat(session, 5)
        assert session.warm.state.place.oldest > 0
        return session.logits()


def test_closed_gates_are_backend_none_to_the_bit(opens: Opens, tmp_path: Path) -> None:
    none = logits_with(opens, tmp_path / "a", replace(INFINI, backend="none"))
    uncalibrated = logits_with(opens, tmp_path / "b", INFINI)
    with opens(tmp_path / "c", memory=INFINI) as runtime:
        put_in_force(runtime, tmp_path / "cache", Calibration("linear", (torch.zeros(2, 4),)))
    closed = logits_with(opens, tmp_path / "d", INFINI)
    with opens(tmp_path / "c", memory=INFINI) as runtime:
        put_in_force(runtime, tmp_path / "cache", made_up())
    opened = logits_with(opens, tmp_path / "e", INFINI)
    assert torch.equal(uncalibrated, none)
    assert torch.equal(closed, none)
    assert not torch.equal(opened, none)


def test_without_a_calibration_it_says_that_all_gates_are_closed(opens: Opens) -> None:
    with opens(memory=INFINI) as runtime:
        assert any("gates are all closed" in note and "perdure calibrate" in note for note in runtime.notes)


def test_evictions_name_backend_rule_and_gates(opens: Opens, tmp_path: Path) -> None:
    with opens(memory=INFINI) as runtime:
        put_in_force(runtime, tmp_path / "cache", made_up("delta"))
    with opens(memory=INFINI) as runtime:
        session = runtime.session("s")
        long_chat(session, 3)
        evicted = [event.detail for event in runtime.repository.events(session.head) if event.kind == "evict"]
    named = {"backend": "infini", "rule": "delta", "gates": made_up("delta").digest}
    assert evicted
    assert all(named.items() <= detail.items() for detail in evicted)


def test_a_session_replays_although_options_and_calibration_changed(opens: Opens, tmp_path: Path) -> None:
    with opens(memory=INFINI) as runtime:
        put_in_force(runtime, tmp_path / "cache", made_up())
    with opens(memory=INFINI) as runtime:
        session = runtime.session("s")
        long_chat(session, 5)
        there = session.logits()
        put_in_force(runtime, tmp_path / "cache", made_up("delta", maps=True))
    with opens(memory=INFINI) as runtime:
        session = runtime.session("s")
        assert torch.equal(session.logits(), there)
        long_chat(session, 3, 5)
        assert session.verify() == []
    with opens(memory=replace(INFINI, backend="heavy-hitters", summary=48)) as runtime:
        session = runtime.session("s")
        long_chat(session, 3, 8)
        assert session.verify() == []
        kept = session.warm.state
        assert kept.place.kept == 4 + 48


def test_a_session_whose_calibration_is_gone_is_refused_by_name(opens: Opens, tmp_path: Path) -> None:
    with opens(memory=INFINI) as runtime:
        file = put_in_force(runtime, tmp_path / "cache", made_up())
    with opens(memory=INFINI) as runtime:
        long_chat(runtime.session("s"), 5)
    file.unlink()
    with opens(memory=replace(INFINI, backend="none")) as runtime:
        session = runtime.session("s")
        with pytest.raises(RecipeMismatch, match=r"calibration .* not on this machine"):
            session.chat("go on", max_tokens=2)


# files


def stored_by(runtime: Runtime, cache: Path) -> tuple[Calibrations, Path]:
    store = Calibrations(cache, fingerprint(runtime.recipe), runtime.engine.adapter.banks)
    return store, store.write(Stored(made_up(maps=True), {"tokens": 7}))


def test_a_calibration_is_read_back_as_it_was_written(runtime: Runtime, tmp_path: Path) -> None:
    store, _ = stored_by(runtime, tmp_path / "cache")
    found = store.read(made_up(maps=True).digest)
    assert found.about == {"tokens": 7}
    assert [name for name, _ in found.calibration.named()] == ["gates.0", "keys.0", "queries.0"]
    assert store.current().detail["gates"] == found.calibration.digest == made_up(maps=True).digest


@pytest.mark.parametrize("how", ["flipped", "shortened", "header", "empty"])
def test_a_damaged_calibration_is_refused_with_a_sentence(opens: Opens, tmp_path: Path, how: str) -> None:
    with opens(memory=INFINI) as runtime:
        _, file = stored_by(runtime, tmp_path / "cache")
    whole = bytearray(file.read_bytes())
    if how == "flipped":
        whole[-3] ^= 1
    if how == "header":
        whole[whole.index(b"linear")] ^= 1
    file.write_bytes(bytes({"shortened": whole[:-40], "empty": bytearray()}.get(how, whole)))
    with pytest.raises(InvalidInput, match=r"is damaged\. Run `perdure calibrate` again"):
        opens(memory=INFINI)


def test_another_models_calibration_is_refused(opens: Opens, tmp_path: Path) -> None:
    with opens(memory=INFINI) as runtime:
        _, file = stored_by(runtime, tmp_path / "cache")
        other = Calibrations(tmp_path / "cache", "another", runtime.engine.adapter.banks)
        other.folder.mkdir()
        (other.folder / file.name).write_bytes(file.read_bytes())
        (other.folder / "current").write_text(file.stem)
        with pytest.raises(InvalidInput, match="calibrated for another model"):
            other.current()


@pytest.mark.parametrize(
    "wrong", [made_up(layers=3), made_up(heads=3), made_up(maps=True, kv=4), made_up(maps=True, heads=8, kv=2)]
)
def test_gates_of_other_shapes_are_refused(runtime: Runtime, tmp_path: Path, wrong: Calibration) -> None:
    store = Calibrations(tmp_path / "cache", fingerprint(runtime.recipe), runtime.engine.adapter.banks)
    store.write(Stored(wrong, {}))
    if wrong.gates[0].shape == (2, 8):
        assert store.current().folds
        return
    with pytest.raises(InvalidInput, match="does not fit"):
        store.current()


# learning


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("rule", ["linear", "delta"])
def test_a_learner_computes_what_the_calibration_it_becomes_computes(loaded: LoadedModel, rule: str, maps: bool) -> None:
    from perdure.runtime.calibration.pipeline import _adapter, _shapes

    adapter = _adapter(loaded)
    learner = Learner(rule, _shapes(loaded, adapter), maps=maps)
    with torch.no_grad():
        for beta in learner.betas:
            beta.fill_(0.0)
        for chosen in learner.maps():
            chosen += torch.randn(chosen.shape, generator=torch.Generator().manual_seed(1)) / 8
    streams = Streams(loaded.model, adapter, 2048, QUICK.setting)
    tokens = loaded.tokenizer(TEXT)["input_ids"][:1400]
    a, b = streams.losses(tokens, learner), streams.losses(tokens, Infini(learner.learned()))
    assert torch.allclose(a, b, atol=1e-4)
    assert not torch.allclose(a[512:], streams.losses(tokens, SinksOnly())[512:], atol=1e-3)


def test_gradients_are_those_of_small_changes(loaded: LoadedModel) -> None:
    from perdure.runtime.calibration.pipeline import _adapter, _frozen, _shapes

    adapter = _adapter(loaded)
    learner = Learner("linear", _shapes(loaded, adapter), maps=True)
    streams = Streams(loaded.model, adapter, 2048, QUICK.setting)
    tokens = loaded.tokenizer(TEXT)["input_ids"][:769]
    with torch.no_grad():
        learner.betas[0].fill_(0.0)
    with _frozen(loaded.model):
        *_, last = streams.steps(tokens, learner, grad_from=512)
        last.losses.mean().backward()  # type: ignore[no-untyped-call]
    for parameter in (learner.betas[0], learner.keys[0], learner.queries[0]):
        assert parameter.grad is not None
        direction = parameter.grad / parameter.grad.norm()
        found = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 0.02 * direction
            learner.restart()
            found.append(float(streams.losses(tokens, learner)[512:].double().mean()))
            with torch.no_grad():
                parameter -= sign * 0.02 * direction
        assert (found[0] - found[1]) / 0.04 == pytest.approx(float(parameter.grad.norm()), rel=0.1)


@pytest.mark.parametrize("maps", [False, True])
def test_calibrating_improves_or_leaves_all_gates_closed(loaded: LoadedModel, tmp_path: Path, maps: bool) -> None:
    stages: list[str] = []
    wanted = replace(QUICK, maps=maps, target="text" if maps else "full-attention")
    outcome = calibrate(loaded, tmp_path, [TEXT], wanted, lambda stage, done, total: stages.append(stage))
    assert {"training", "choosing gates"} <= set(stages)
    assert (outcome.file is None) == (outcome.confirmed is None or not outcome.confirmed.sure)
    assert (outcome.confirmed is None) == (outcome.remembered is None)
    assert (outcome.file is None) == (outcome.open == 0) == (not list(tmp_path.rglob("*.safetensors")))
    assert not any(parameter.grad is not None for parameter in loaded.model.parameters())


@pytest.mark.parametrize("stage", ["training", "choosing gates", "confirming"])
def test_a_calibration_that_is_stopped_leaves_nothing(loaded: LoadedModel, tmp_path: Path, stage: str) -> None:
    def stop(now: str, done: int, total: int) -> None:
        if now == stage and done:
            raise KeyboardInterrupt

    try:
        calibrate(loaded, tmp_path, [TEXT], QUICK, stop)
    except KeyboardInterrupt:
        assert list(tmp_path.rglob("*")) == []


def test_no_token_is_in_two_splits() -> None:
    texts = [list(range(20_000)), list(range(50_000, 60_000))]
    pieces = cut(texts, replace(QUICK, tokens=16 * 1024))
    every = [token for split in pieces for piece in split for token in piece]
    assert len(every) == len(set(every)) == 16 * 1025
    assert [len(split) for split in pieces] == [12, 2, 2]
    assert any(piece[0] >= 50_000 for piece in pieces.train)


def test_too_little_text_is_refused(loaded: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="too few"):
        calibrate(loaded, tmp_path, [TEXT[:3000]], QUICK, quiet)


def test_the_command(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.api.wiring.cache_path", lambda: tmp_path / "cache")
    text = tmp_path / "text.txt"
    text.write_text("too short")
    run = CliRunner().invoke
    assert run(app, ["calibrate", str(model)]).exit_code == 2
    missing = run(app, ["calibrate", str(model), "--text", str(tmp_path / "none.txt")])
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (2, True)
    short = run(app, ["calibrate", str(model), "--text", str(text)])
    assert (short.exit_code, "too few" in short.stderr) == (2, True)
    text.write_text(TEXT)
    few = ["--tokens", "6144", "--no-maps", "--window", "256", "--json"]
    done = run(app, ["calibrate", str(model), "--text", str(text), *few])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["gates"] == 8
