"""Sessions of a model whose weights were rounded to 8 bits when it was loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import Linear

from perdure.errors import InvalidInput, RecipeMismatch
from perdure.runtime import Runtime, int8
from perdure.runtime.int8 import SCHEME, Int8Linear, joined, quantise

from ..conftest import Opens

PROMPT = "The lighthouse keeper wrote down every ship that passed, its colour and its course."


@pytest.fixture
def rounded(opens: Opens) -> Iterator[Runtime]:
    with opens(weights="int8") as runtime:
        yield runtime


def test_the_recipe_names_the_rounding_and_the_weights_as_they_are_stored(opens: Opens, tmp_path: Path) -> None:
    with opens(tmp_path / "plain") as plain, opens(tmp_path / "rounded", weights="int8") as rounded:
        ours, theirs = rounded.recipe.to_meta(), plain.recipe.to_meta()
        assert ours.pop("quantisation") == SCHEME
        assert ours == theirs
        assert rounded.model.parameters == plain.model.parameters
        assert rounded.model.fingerprint != plain.model.fingerprint


def test_a_session_goes_on_with_the_weights_that_it_began_with(opens: Opens, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with opens(store) as plain:
        plain.session("plain").chat(PROMPT, max_tokens=4)
    with opens(store, weights="int8") as rounded:
        rounded.session("rounded").chat(PROMPT, max_tokens=4)
        with pytest.raises(RecipeMismatch, match="the quantisation of the weights has changed") as caught:
            rounded.session("plain").chat("Go on.", max_tokens=1)
        assert (caught.value.field, caught.value.stored) == ("quantisation", "")
        rounded.session("plain", as_text=True).chat("Go on.", max_tokens=1)
    with opens(store) as plain, pytest.raises(RecipeMismatch, match="int8 by output channel"):
        plain.session("rounded").chat("Go on.", max_tokens=1)


def test_a_session_resumes_and_replays_to_the_bit(opens: Opens, tmp_path: Path) -> None:
    def talk(store: Path, parts: list[list[str]]) -> torch.Tensor:
        for prompts in parts:
            with opens(store, weights="int8") as runtime, runtime.session("s") as session:
                for prompt in prompts:
                    session.chat(prompt, max_tokens=6, temperature=0.0)
                logits = session.logits()
                assert session.verify() == []
        return logits

    whole = talk(tmp_path / "one", [[PROMPT, "And then?"]])
    assert torch.equal(talk(tmp_path / "two", [[PROMPT], ["And then?"]]), whole)


def test_sessions_share_forwards_and_keep_their_bits(rounded: Runtime) -> None:
    engine = rounded.engine
    assert engine.together == 8
    states = [engine.adapter.new() for _ in range(5)]
    for n, state in enumerate(states):
        engine.prefill(state, range(3, 20 + 30 * n))
    twins = [state.fork() for state in states]
    found = engine.decode_together([(state, 7 + n) for n, state in enumerate(states)])
    for n, (boundary, twin) in enumerate(zip(found, twins, strict=True)):
        assert torch.equal(boundary.logits, engine.feed(twin, [7 + n]).logits)


def test_a_layer_has_a_weight_and_a_gradient_through_it() -> None:
    plain = Linear(48, 24)
    layer = Int8Linear.of(plain)
    assert layer.weight.shape == plain.weight.shape
    assert float((layer.weight - plain.weight.detach()).norm()) < 0.01 * float(plain.weight.detach().norm())
    x = torch.randn(2, 3, 48, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad[0, 0], layer.weight.sum(0), atol=1e-5)


@pytest.mark.parametrize("biases", [(False, False), (True, True), (True, False)])
def test_layers_side_by_side_have_the_bits_of_each(biases: tuple[bool, bool]) -> None:
    layers = [Int8Linear.of(Linear(48, 24, bias=bias, dtype=torch.bfloat16)) for bias in biases]
    x = torch.randn(3, 48).bfloat16()
    with torch.inference_mode():
        assert torch.equal(joined(layers)(x), torch.cat([layer(x) for layer in layers], -1))


def test_what_cannot_be_rounded_is_refused(opens: Opens, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="give stored or int8"):
        opens(tmp_path / "one", weights="int3")
    with opens(tmp_path / "two", weights="int8") as runtime, pytest.raises(InvalidInput, match="no linear layers"):
        quantise(runtime.loaded.model)
    monkeypatch.setattr(int8, "int8_linear", lambda x, weight: torch.zeros(2, 32))
    with pytest.raises(InvalidInput, match="not multiply 8-bit weights exactly"):
        opens(tmp_path / "three", weights="int8")
