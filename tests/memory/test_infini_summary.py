"""The Infini backend against the kernels' reference: folds, parts, removal, reading."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from perdure.errors import InvalidInput
from perdure.kernels import elu_plus_one, retrieve_reference, update_reference
from perdure.memory.summary import PARTS, Calibration, Gone, HeavyHitters, Infini, Kept, Memory, SinksOnly, without

LAYERS, HEADS, KV, DIM, TOKENS = 3, 4, 2, 8, 32


def gone(number: int) -> Gone:
    generator = torch.Generator().manual_seed(number)
    keys, values = (torch.randn(LAYERS, KV, TOKENS, DIM, generator=generator) for _ in range(2))
    return Gone((keys,), (values,), number * TOKENS, (number + 1) * TOKENS)


def calibration(rule: str = "linear", *, maps: bool = False) -> Calibration:
    """The gates of layer 1 are closed."""
    generator = torch.Generator().manual_seed(1)
    gates = torch.rand(LAYERS, HEADS, generator=generator)
    gates[1] = 0.0
    if not maps:
        return Calibration(rule, (gates,))
    keys, queries = (torch.randn(LAYERS, n, DIM, 6, generator=generator) for n in (KV, HEADS))
    return Calibration(rule, (gates,), (keys,), (queries,))


def folded(numbers: Calibration, *blocks: int) -> Memory:
    memory = None
    for block in blocks:
        memory = Infini(numbers).fold(memory, gone(block))
    assert memory is not None
    return memory


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("rule", ["linear", "delta"])
def test_attention_is_what_the_reference_says(rule: str, maps: bool) -> None:
    """A = g s(Q) M / (s(Q) z) + (1 - g) A_dot, of each query head by itself."""
    numbers = calibration(rule, maps=maps)
    reader = Infini(numbers).reader(folded(numbers, 0, 1, 2))
    assert reader is not None
    query, local = torch.randn(HEADS, 5, DIM), torch.randn(1, HEADS, 5, DIM)
    for layer in (0, 2):
        out = reader.mix(0, layer, query, local)
        for head in range(HEADS):
            kv = head // (HEADS // KV)
            wk, wq = (numbers.keys[0][layer, kv], numbers.queries[0][layer, head]) if maps else (torch.eye(DIM),) * 2
            m, z = torch.zeros(1, wk.shape[1], DIM), torch.zeros(1, wk.shape[1])
            for block in range(3):
                part = gone(block)
                m, z = update_reference(m, z, part.keys[0][layer, kv, None] @ wk, part.values[0][layer, kv, None], rule)
            read = retrieve_reference(query[head, None] @ wq, m, z, elu_plus_one)[0]
            g = numbers.gates[0][layer, head]
            assert torch.allclose(out[0, head], g * read + (1 - g) * local[0, head], atol=1e-4, rtol=1e-4)


def test_a_layer_whose_gates_are_closed_has_no_memory_and_is_not_concerned() -> None:
    numbers = calibration()
    memory = folded(numbers, 0)
    reader = Infini(numbers).reader(memory)
    assert memory.sums[0].shape == (1, 2, KV, DIM, DIM)
    assert reader is not None
    assert [reader.concerns(0, layer) for layer in range(LAYERS)] == [True, False, True]


def test_a_closed_head_keeps_attention_to_the_bit() -> None:
    numbers = calibration()
    numbers.gates[0][0, 2] = 0.0
    reader = Infini(numbers).reader(folded(numbers, 0, 1))
    assert reader is not None
    local = torch.randn(1, HEADS, 5, DIM).bfloat16()
    out = reader.mix(0, 0, torch.randn(HEADS, 5, DIM), local)
    assert torch.equal(out[:, 2], local[:, 2])
    assert not torch.equal(out[:, 1], local[:, 1])


@pytest.mark.parametrize("removed", range(4))
def test_removing_a_block_equals_never_having_folded_it(removed: int) -> None:
    numbers = calibration(maps=True)
    blocks = [block for block in range(4) if block != removed]
    left = without(folded(numbers, 0, 1, 2, 3), removed * TOKENS, (removed + 1) * TOKENS)
    never = folded(numbers, *blocks)
    assert left.spans == never.spans
    query, local = torch.randn(HEADS, 5, DIM), torch.randn(1, HEADS, 5, DIM)
    a, b = (Infini(numbers).reader(memory) for memory in (left, never))
    assert a is not None
    assert b is not None
    assert torch.equal(a.mix(0, 0, query, local), b.mix(0, 0, query, local))
    assert all(torch.equal(x, y) for x, y in zip((*left.sums, *left.norms), (*never.sums, *never.norms), strict=True))


def test_a_memory_from_which_everything_was_removed_adds_nothing() -> None:
    numbers = calibration()
    assert Infini(numbers).reader(without(folded(numbers, 0, 1), 0, 10_000)) is None


def test_parts_are_bounded_and_a_merged_one_goes_as_a_whole() -> None:
    numbers = calibration()
    memory = folded(numbers, *range(40))
    assert len(memory.spans) == PARTS == memory.sums[0].shape[0]
    assert [memory.spans[0][0], memory.spans[-1][1]] == [0, 40 * TOKENS]
    assert all(a[1] == b[0] for a, b in zip(memory.spans, memory.spans[1:], strict=False))
    first = memory.spans[0]
    assert first[1] - first[0] > TOKENS
    assert without(memory, 0, TOKENS).spans == memory.spans[1:]
    whole = sum(gone(block).values[0].double().abs().sum() for block in range(40))
    assert whole > 0
    total, alone = memory.sums[0].sum(0), sum(folded(numbers, block).sums[0][0] for block in range(40))
    assert torch.allclose(total, torch.as_tensor(alone), rtol=1e-4, atol=1e-3)


def test_the_delta_rule_cannot_forget_a_block() -> None:
    memory = folded(calibration("delta"), 0, 1)
    assert memory.spans == ((0, 2 * TOKENS),)
    with pytest.raises(InvalidInput, match="delta rule"):
        without(memory, 0, TOKENS)


def test_a_memory_made_with_other_numbers_is_dropped() -> None:
    one, other = calibration(), calibration(maps=True)
    memory = Infini(other).fold(folded(one, 0), gone(1))
    assert memory is not None
    assert memory.spans == ((TOKENS, 2 * TOKENS),)
    assert memory.maker == other.digest != one.digest


@pytest.mark.parametrize("rule", ["linear", "delta"])
def test_an_eviction_of_nothing_but_sinks_folds_nothing(rule: str) -> None:
    numbers = calibration(rule, maps=True)
    empty = Gone((gone(0).keys[0][:, :, :0],), (gone(0).values[0][:, :, :0],), 0, TOKENS)
    memory = Infini(numbers).fold(None, empty)
    assert memory is not None
    assert memory.spans == ()
    assert Infini(numbers).reader(memory) is None
    again = Infini(numbers).fold(memory, gone(1))
    assert again is not None
    assert again.spans == ((TOKENS, 2 * TOKENS),)


def test_closed_gates_fold_nothing() -> None:
    closed = Infini(Calibration("linear", (torch.zeros(LAYERS, HEADS),)))
    assert not closed.folds
    assert closed.fold(None, gone(0)) is None
    assert closed.detail == Infini().detail == {"backend": "infini", "rule": "", "gates": ""}


@pytest.mark.parametrize("backend", [SinksOnly(), Infini(), HeavyHitters()])
def test_sinks_always_stay(backend: SinksOnly | HeavyHitters) -> None:
    scores = torch.rand(2, 2, 16)
    scores[..., :4] = torch.inf
    indices, kept = backend.choose(scores[..., :0], scores, 0)
    assert indices.tolist() == [[[0, 1, 2, 3]] * 2] * 2
    again, _ = backend.choose(kept, torch.rand(2, 2, 8), 0)
    assert again.tolist() == indices.tolist()


def test_what_is_kept_goes_through_tensors_and_back() -> None:
    memory = folded(calibration(), 0, 1)
    kept = Kept((torch.zeros(1, 1, 2, dtype=torch.int32),), (torch.ones(1, 1, 2, dtype=torch.int32),), (), (), 2, memory)
    back = Kept.from_parts(kept.to_tensors(), kept.to_meta())
    assert back.memory is not None
    assert (back.memory.spans, back.memory.maker, back.memory.rule) == (memory.spans, memory.maker, "linear")
    assert torch.equal(back.memory.sums[0], memory.sums[0])
    assert back.nbytes == kept.nbytes


def test_entries_fade_with_their_age_and_sinks_do_not() -> None:
    first = torch.arange(68, dtype=torch.int32).expand(2, 2, 68)
    scores = torch.ones(2, 2, 68)
    scores[..., :4] = torch.inf
    kept = Kept((first, first + 256), (first, first), (scores, scores), (), 1, fade=0.1)
    (start, end, first_bias), (again, last, second_bias) = kept.faded(1024)
    assert (start, end, again, last) == (4, 36, 36, 68)
    assert first_bias == pytest.approx(-0.1 * (1024 - 19.5 - 128) / 256)
    assert second_bias == pytest.approx(-0.1 * (1024 - 51.5 - 128) / 256)
    assert Kept.from_parts(kept.to_tensors(), kept.to_meta()).faded(1024) == kept.faded(1024)
    assert replace(kept, fade=0.0).faded(1024) == []
