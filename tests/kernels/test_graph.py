"""The operations within a graph: torch.compile and torch.export take them without a break and with the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, library
from torch.utils._python_dispatch import TorchDispatchMode

from perdure import kernels

from .paging import paged, quantised
from .test_combine import parts_of
from .test_delta import case as delta_case
from .test_infini import block, empty
from .test_kvpack import caches_of, frequencies
from .test_lowrank import case as lowrank_case
from .test_rope import keys_of
from .test_selection import random

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def paged_call(dtype: torch.dtype, queries: list[int] | None, bits: int = 0, **more: Any) -> Call:
    case = paged([0, 5, 37], 4, 2, 40, dtype, queries=queries)
    coded, scales = quantised(case, bits) if bits else (case, None)
    return kernels.paged_attention, coded.tensors, {"scale": 0.2, "scales": scales, **more}


def joined_call() -> Call:
    out, lse, scores, values = random(1, 9, 5, 40), random(1, 9, 5), random(1, 9, 5, 7), random(1, 3, 7, 40)
    return kernels.joined, (out, lse, scores, values), {}


def infini_call(function: Callable[..., Any], *more: Any) -> Call:
    memory, norm = kernels.update(*empty(2, 16, 8), *block(1, 2, 9, 16, 8))
    keys, values = block(2, 2, 5, 16, 8)
    given = (memory, norm, keys, values) if function is kernels.update else (block(3, 4, 5, 16, 8)[0], memory, norm)
    return function, (*given, *more), {}


def delta_call(dtype: torch.dtype, lens: list[int] | None, read: bool = True) -> Call:
    asked = delta_case(1, sum(lens or [40]), 2, 16, 8, dtype, lens=lens)
    return kernels.delta_update, asked.given if read else asked.given[:-1], {}


def pack_call(bits: int) -> Call:
    return kernels.pack, (caches_of(2, 4, 16, 3, 64, dtype=torch.bfloat16), torch.tensor([3, 0]), bits), {}


def unpack_call(bits: int, turned: bool) -> Call:
    caches, ids = caches_of(2, 4, 16, 3, 64), torch.tensor([3, 0])
    turn = {"delta": torch.tensor([4, -9]), "inv_freq": frequencies(32)} if turned else {}
    return kernels.unpack_, (caches, ids, kernels.pack(caches, ids, bits)), turn


def score_call(bounds: bool, shared: bool) -> Call:
    mean, least, most = kernels.block_summary(random(20, 16, 3, 32), torch.arange(20))
    valid = torch.arange(20) % 3 > 0
    return kernels.block_score, (random(2, 9, 32), (least, most) if bounds else mean, valid, shared), {}


CALLS: dict[str, Callable[[], Call]] = {
    "paged, decode": partial(paged_call, torch.bfloat16, None),
    "paged, chunks in a window": partial(paged_call, torch.float32, [0, 5, 7], window=16),
    "paged, 4 bits": partial(paged_call, torch.float32, None, 4),
    "merge": lambda: (kernels.merge, (parts_of(3, 1, 9, 5, 64, dtype=torch.bfloat16),), {}),
    "joined": joined_call,
    "infini, linear": partial(infini_call, kernels.update),
    "infini, delta": partial(infini_call, kernels.update, "delta"),
    "infini, read": partial(infini_call, kernels.retrieve),
    "infini, read with weights": partial(infini_call, kernels.retrieve_weighed),
    "delta": partial(delta_call, torch.bfloat16, None),
    "delta, ragged, update only": partial(delta_call, torch.float32, [0, 33, 4], False),
    "pack, 8 bits": partial(pack_call, 8),
    "pack, 4 bits": partial(pack_call, 4),
    "pack, 16 bits": partial(pack_call, 16),
    "unpack, 8 bits": partial(unpack_call, 8, False),
    "unpack, 4 bits, turned": partial(unpack_call, 4, True),
    "low rank": lambda: (kernels.lowrank, lowrank_case([[2, 2], [4], []], torch.bfloat16), {}),
    "rotate": lambda: (kernels.rotate, (keys_of(1, 3, 9, 16), torch.arange(9), frequencies(8)), {}),
    "rotate, all alike": lambda: (kernels.rotate, (keys_of(1, 3, 9, 16), 7, frequencies(4)), {"interleaved": True}),
    "rotate in place": lambda: (kernels.rotate_, (keys_of(1, 3, 9, 16), 7, frequencies(4)), {"start": 8}),
    "summary": lambda: (kernels.block_summary, (random(9, 16, 3, 64), torch.tensor([8, 0])), {}),
    "score": partial(score_call, False, False),
    "score of bounds, shared": partial(score_call, True, True),
}


def tensors(found: Any) -> Iterator[Tensor]:
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, list | tuple):
        for each in found:
            yield from tensors(each)


def outcome(run: Callable[..., Any], call: Call) -> list[Tensor]:
    """What is returned, and what the arguments are afterwards."""
    _, args, kwargs = call
    return [*tensors(run(*args, **kwargs)), *tensors(args)]


def equal(found: list[Tensor], expected: list[Tensor]) -> bool:
    pairs = zip(found, expected, strict=True)
    return all(a.dtype is b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    torch.compiler.reset()


class Recorded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The calls of our operators."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[tuple[Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "perdure":
            self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", CALLS)
def test_operators_are_what_their_schemas_say(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, args, kwargs = CALLS[name]()
    with monkeypatch.context() as patched, Recorded() as recorded:
        patched.setattr(torch.compiler, "is_compiling", lambda: True)
        function(*args, **kwargs)
    ((operator, flat, named),) = recorded.calls
    library.opcheck(operator, flat, named)


@pytest.mark.parametrize("name", CALLS)
def test_compiled_without_a_break_the_bits_are_the_same(name: str) -> None:
    compiled = torch.compile(CALLS[name]()[0], fullgraph=True, backend="aot_eager")
    assert equal(outcome(compiled, CALLS[name]()), outcome(CALLS[name]()[0], CALLS[name]()))


def test_lengths_that_change_compile_once_more_at_most() -> None:
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(kernels.rotate, fullgraph=True, backend=counter)
    for length in (5, 9, 12, 31):
        given = keys_of(1, 3, length, 16), length, frequencies(8)
        assert torch.equal(compiled(*given), kernels.rotate(*given))
    assert counter.frame_count <= 2


def test_a_feature_map_of_ones_own_is_traced() -> None:
    def doubled(x: Tensor) -> Tensor:
        return torch.cat([x, -x], -1).exp()

    keys, values = block(2, 2, 5, 16, 8)
    compiled = torch.compile(kernels.update, fullgraph=True, backend="eager")
    given = (*empty(2, 32, 8), keys, values, "delta", doubled)
    assert equal(list(compiled(*given)), list(kernels.update(*given)))
    state = kernels.update(*given)
    for read in (kernels.retrieve, kernels.retrieve_weighed):
        found = torch.compile(read, fullgraph=True, backend="eager")(keys, *state, doubled)
        assert equal(list(tensors(found)), list(tensors(read(keys, *state, doubled))))


def test_a_module_is_exported_with_its_operations() -> None:
    class Merged(torch.nn.Module):
        def forward(self, out: Tensor, lse: Tensor) -> Tensor:
            return kernels.merge([(out, lse), (out + 1, lse - 1)])[0]

    ((out, lse),) = parts_of(1, 1, 9, 5, 64)
    exported = torch.export.export(Merged(), (out, lse))
    assert "perdure.merge" in str(exported.graph)
    assert torch.equal(exported.module()(out, lse), Merged()(out, lse))


def test_a_gradient_through_a_graph_is_refused() -> None:
    parts = [(out.requires_grad_(), lse) for out, lse in parts_of(2, 1, 9, 5, 64)]
    out = torch.compile(lambda: kernels.merge(parts)[0], backend="eager")()
    with pytest.raises(NotImplementedError, match="merge has no gradient"):
        torch.autograd.grad(out.sum(), parts[0][0])


@pytest.mark.parametrize("t", [1, 5])
@pytest.mark.parametrize("segments", [(), ((2, 5, 1.0), (8, 9, -2.0))], ids=["causal", "segments"])
def test_attention_over_contiguous_keys_is_traced_as_it_is(segments: tuple[tuple[int, int, float], ...], t: int) -> None:
    given = random(1, 9, t, 32), random(1, 3, 20, 32), random(1, 3, 20, 32), 0.2
    function, more = (kernels.attend_segments, (segments,)) if segments else (kernels.attend, ())
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    assert equal(list(compiled(*given, *more)), list(function(*given, *more)))
