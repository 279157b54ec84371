"""What the benchmarks of the server compute of what they see."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from benchmarks import serve
from benchmarks._requantise import q8_0
from benchmarks._serve_client import Answer, Client, aggregate
from benchmarks._serve_many import Seen, percentile
from benchmarks._serve_targets import REASONS, TARGETS
from benchmarks.soak import slope

SAID = [{"role": "user", "content": "Hello."}]


def frames(*bodies: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies) + b"data: [DONE]\n\n"


def streamed(tokens: int) -> bytes:
    pieces = [{"choices": [{"delta": {"content": "x"}}]} for _ in range(tokens)]
    usage = {"choices": [], "usage": {"completion_tokens": tokens, "prompt_tokens": 9}}
    return frames({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, *pieces, usage)


def asked(*answers: httpx.Response, tokens: int = 3) -> Answer:
    left = iter(answers)

    async def work() -> Answer:
        transport = httpx.MockTransport(lambda request: next(left))
        async with httpx.AsyncClient(transport=transport) as http:
            return await Client("http://server", "m", [2]).ask(http, SAID, tokens, "alice")

    return asyncio.run(work())


def test_an_answer_has_its_moments_and_counts() -> None:
    answer = asked(httpx.Response(200, content=streamed(3)))
    assert (answer.text, answer.tokens, answer.prompt, len(answer.stamps)) == ("xxx", 3, 9, 3)
    assert answer.first_ms > 0
    assert answer.refused == 0


def test_a_server_that_asks_for_patience_is_asked_again() -> None:
    answer = asked(httpx.Response(429, headers={"Retry-After": "0"}), httpx.Response(200, content=streamed(3)))
    assert answer.refused == 1
    assert answer.waited > 0


def test_an_answer_of_another_length_and_an_error_are_not_measured() -> None:
    with pytest.raises(RuntimeError, match="4 tokens were asked for"):
        asked(httpx.Response(200, content=streamed(3)), tokens=4)
    with pytest.raises(RuntimeError, match="refused: 500"):
        asked(httpx.Response(500, text="no"))
    with pytest.raises(RuntimeError, match="middle of an answer"):
        asked(httpx.Response(200, content=frames({"error": {"message": "no"}})))


def test_answers_at_once_are_counted_while_all_are_under_way() -> None:
    both = [Answer(0.0, stamps=[0.0, 1.0, 2.0, 3.0]), Answer(0.0, stamps=[1.0, 2.0, 3.0, 4.0])]
    for each in both:
        each.usage = {"completion_tokens": 4}
    assert aggregate(both) == 2.0


def test_only_restored_sessions_have_a_time_to_first_token() -> None:
    seen = Seen(took_s=2.0)
    for number in range(4):
        restored = {"tokens": {"restored": 7 * (number > 0)}}
        seen.answers.append(Answer(0.0, stamps=[0.001 * number], memory=restored, refused=number == 3, waited=1.0))
    sample = seen.sample()
    assert (sample["restored"], sample["answers"], sample["tried_again"]) == (3, 4, 1)
    assert (sample["p50_ms"], sample["p99_ms"]) == (2.0, 3.0)
    assert sample["p50_waited_ms"] == 1002.0


def test_percentiles_are_of_the_values_themselves() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert [percentile(hundred, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([4.0], 0.99) == 4.0


def test_a_slope_takes_no_notice_of_a_few_outliers() -> None:
    line = [(float(n), 2.0 * n) for n in range(50)]
    line[10], line[40] = (10.0, 9000.0), (40.0, -9000.0)
    assert slope(line) == pytest.approx(2.0)
    assert slope([]) == 0.0


def test_a_metric_whose_peer_was_not_there_is_empty() -> None:
    args = serve.parse(["--reps", "1"])
    run = serve.Run(args, Path(), Path(), None, None)  # type: ignore[arg-type]
    run.ratio("decode_vs_vllm", 3.0, None)
    run.ratio("batch8_gain", 6.0, 2.0)
    assert run.metrics == {"batch8_gain": 3.0}
    assert set(REASONS) <= set(TARGETS)


def test_matrices_become_q8_0_and_all_else_stays(tmp_path: Path) -> None:
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quantize

    source, matrix = tmp_path / "a.gguf", np.random.default_rng(1).standard_normal((4, 64)).astype(np.float32)
    writer = GGUFWriter(source, "llama")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_float32("llama.rope.freq_base", 10000.0)
    coarse = quantize(matrix, GGMLQuantizationType.Q4_1)
    writer.add_tensor("blk.0.weight", coarse, raw_dtype=GGMLQuantizationType.Q4_1)
    writer.add_tensor("norm.weight", matrix[0])
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        write()
    found = GGUFReader(q8_0(source, tmp_path / "b.gguf"))
    assert {t.name: t.tensor_type.name for t in found.tensors} == {"blk.0.weight": "Q8_0", "norm.weight": "F32"}
    assert found.fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]
    assert np.array_equal(found.tensors[1].data, matrix[0])
