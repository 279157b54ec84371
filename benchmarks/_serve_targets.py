"""What serving should reach, and in words why a number does not."""

from __future__ import annotations

from ._targets import Target

TARGETS: dict[str, Target] = {
    "decode_vs_vllm": Target(1, True, "x", "tokens a second of one session / of vLLM, both bf16; the worse of two lengths"),
    "decode_int8_vs_llamacpp_q8": Target(0.7, True, "x", "the same with int8 weights / of llama.cpp with Q8_0"),
    "batch8_gain": Target(5, True, "x", "tokens a second of 8 sessions at once / of one"),
    "batch8_vs_vllm": Target(1, True, "x", "tokens a second of 8 sessions at once / of 8 in vLLM"),
    "prefill_vs_hf": Target(1, True, "x", "prompt tokens a second over HTTP / of transformers in process"),
    "ttft_restored_p50_ms": Target(None, False, "ms", "median time to first token of a restored session, 32 clients"),
    "ttft_p99_over_p50": Target(3, False, "x", "its 99th percentile / its median"),
    "many_errors": Target(0, False, "", "requests of the 32 clients that failed"),
    "many_tried_again": Target(None, False, "", "times that they were told to try again (429)"),
    "resume_http_vs_llamacpp": Target(
        1, True, "x", "time to first token after kill and restart: llama.cpp, slot restored from its file / ours"
    ),
    "resume_http_vs_vllm": Target(1, True, "x", "the same of vLLM, which computes the conversation again / ours"),
}

REASONS: dict[str, str] = {}
"""Metric name -> why its target is missed, written by hand after looking into it."""
