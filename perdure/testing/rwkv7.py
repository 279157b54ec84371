"""A tiny random RWKV-7 in the layout of the checkpoints RWKV/RWKV7-*, for tests with the optional package `rwkv`."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from perdure.testing.tiny import END_OF_TURN, LOGIT_SPREAD, tiny_tokenizer, token_bias, write_companions

if TYPE_CHECKING:
    import torch

POSITIONS = 2048
HEAD = 64
QUIET = 0.25
NORM = re.compile(r"ln(\d|_x|_out)\.weight")
SHARE = re.compile(r"x_[rwkvag]")
SLOW = -2.0
"""Added to the decay's bias: some 0.93 of a state is left after a token."""


def tiny_rwkv7(
    folder: Path, *, layers: int = 3, heads: int = 2, dtype: Literal["float32", "bfloat16"] = "float32", seed: int = 7
) -> Path:
    """Writes config, weights, byte-level tokenizer, chat template and generation config into `folder`, and returns it.

    The same arguments write the same weights. Logits have a spread of about 2, and printable characters are the likely
    ones.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    vocab = tiny_tokenizer(folder / "tokenizer.json")
    config = _config(len(vocab), layers, heads, dtype)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    write_companions(folder, POSITIONS)
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: _drawn(name, shape, generator) for name, shape in _shapes(config).items()}
    tensors["head.weight"][[i for name, i in vocab.items() if token_bias(name, i) < 0]] *= QUIET
    number = getattr(torch, dtype)
    save_file({name: t.to(number) for name, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


def _config(vocab: int, layers: int, heads: int, dtype: str) -> dict[str, Any]:
    return {
        "architectures": ["Rwkv7ForCausalLM"],
        "model_type": "rwkv7",
        "vocab_size": vocab,
        "hidden_size": heads * HEAD,
        "intermediate_size": 4 * heads * HEAD,
        "num_hidden_layers": layers,
        "head_dim": HEAD,
        "num_heads": heads,
        "decay_low_rank_dim": 32,
        "a_low_rank_dim": 32,
        "v_low_rank_dim": 32,
        "gate_low_rank_dim": 32,
        "norm_eps": 1e-5,
        "bos_token_id": 1,
        "eos_token_id": END_OF_TURN,
        "pad_token_id": 0,
        "dtype": dtype,
    }


def _shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint; layer 0 has v0, v1 and v2 too, which nothing reads."""
    width, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    norms = ["rwkv7.ln_out", "rwkv7.blocks.0.ln0"]
    shapes: dict[str, tuple[int, ...]] = {"rwkv7.emb.weight": (vocab, width), "head.weight": (vocab, width)}
    for layer in range(config["num_hidden_layers"]):
        block = f"rwkv7.blocks.{layer}"
        norms += [f"{block}.ln1", f"{block}.ln2", f"{block}.att.ln_x"]
        shapes |= {f"{block}.{name}": shape for name, shape in _block(config).items()}
        shapes |= {f"{block}.ffn.key.weight": (inner, width), f"{block}.ffn.value.weight": (width, inner)}
    return shapes | {f"{norm}.{part}": (width,) for norm in norms for part in ("weight", "bias")}


def _block(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    width = config["hidden_size"]
    vectors = ["att.k_k", "att.k_a", "ffn.x_k", *(f"att.x_{name}" for name in "rwkvag"), *(f"att.{n}0" for n in "wav")]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(vectors, (1, 1, width))
    for name, kind in zip("wavg", ("decay", "a", "v", "gate"), strict=True):
        rank = config[f"{kind}_low_rank_dim"]
        shapes |= {f"att.{name}1": (width, rank), f"att.{name}2": (rank, width)}
    shapes |= {f"att.{name}.weight": (width, width) for name in ("receptance", "key", "value", "output")}
    return shapes | {"att.r_k": (config["num_heads"], config["head_dim"])}


def _drawn(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Numbers that let every part of the model be heard in the logits."""
    import torch

    drawn = torch.randn(shape, generator=generator)
    last = name.rpartition(".")[2]
    if name == "head.weight":
        return drawn * (LOGIT_SPREAD / math.sqrt(shape[1]))
    if name == "rwkv7.emb.weight":
        return drawn
    if NORM.search(name):
        return 1 + 0.1 * drawn
    if SHARE.fullmatch(last):
        return torch.rand(shape, generator=generator)
    if last == "w0":
        return drawn + SLOW
    if len(shape) == 2 and last != "r_k":
        return drawn / math.sqrt(shape[1] if last == "weight" else shape[0])
    return 0.3 * drawn
