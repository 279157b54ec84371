"""A tiny random llama in the Hugging Face layout, so that tests load a real model in milliseconds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END_OF_TURN = 2

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

SYLLABLES = "thheinerandesortofedisitalarstngseasouiolevecomehiriroicnearachllbemasiomur"
WORDS = (" t", " a", " o", " i", " s", " w", " c", " b", " p", " the", " in", " of", " an")

LOGIT_SPREAD = 2.0
STEADY = 3.0
PENALTY = {"unprintable": -4.0, "end of turn": -2.0}


def tiny_llama(
    folder: Path,
    *,
    seed: int = 0,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    dtype: Literal["float32", "bfloat16"] = "float32",
    max_positions: int = 2048,
) -> Path:
    """Writes config, weights, byte-level tokenizer, chat template and generation config into `folder`, and returns it.

    The same arguments write the same weights. Logits have a spread of about 2, characters that cannot be printed are
    unlikely and the end of a turn comes now and then, so that generated text is varied and readable as text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocab = tiny_tokenizer(folder / "tokenizer.json")
    config = _config(len(vocab), layers, hidden, heads, kv_heads, dtype, max_positions)
    _write_json(folder / "config.json", config)
    write_companions(folder, max_positions)
    _write_weights(folder / "model.safetensors", config, vocab, seed)
    return folder


def tiny_tokenizer(file: Path) -> dict[str, int]:
    """Writes a byte-level BPE of the 256 bytes, 3 control tokens and common English pairs; returns the vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    names = [*SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    merges = list(_merges(set(names)))
    vocab = {name: i for i, name in enumerate([*names, *(left + right for left, right in merges)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    tokenizer.save(str(file))
    return vocab


def write_companions(folder: Path, max_positions: int) -> None:
    """Writes what stands beside config, weights and tokenizer: generation config, tokenizer config and chat template."""
    _write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": END_OF_TURN, "pad_token_id": 0})
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(max_positions))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def _merges(known: set[str]) -> Iterator[tuple[str, str]]:
    pairs = (SYLLABLES[i : i + 2] for i in range(len(SYLLABLES) - 1))
    for piece in [*pairs, *(word.replace(" ", "\u0120") for word in WORDS)]:
        left, right = piece[:-1], piece[-1]
        if left not in known:
            left, right = piece[:1], piece[1:]
        if {left, right} <= known and piece not in known:
            known.add(piece)
            yield left, right


def _config(
    vocab: int, layers: int, hidden: int, heads: int, kv_heads: int, dtype: str, max_positions: int
) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "max_position_embeddings": max_positions,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": END_OF_TURN,
        "pad_token_id": 0,
        "dtype": dtype,
    }


def _tokenizer_config(max_positions: int) -> dict[str, Any]:
    special = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_positions, **special}


def _write_weights(file: Path, config: dict[str, Any], vocab: dict[str, int], seed: int) -> None:
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)

    def normal(rows: int, columns: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(rows, columns, generator=generator) * (scale / math.sqrt(columns))

    hidden = config["hidden_size"]
    # Dimension 0 of the residual stream stays constant; through it the head has a bias.
    embedding = normal(len(vocab), hidden, math.sqrt(hidden))
    embedding[:, 0] = STEADY
    head = normal(len(vocab), hidden, LOGIT_SPREAD)
    head[:, 0] = torch.tensor([token_bias(name, i) for name, i in vocab.items()])
    tensors = {"model.embed_tokens.weight": embedding, "model.norm.weight": torch.ones(hidden), "lm_head.weight": head}
    for layer in range(config["num_hidden_layers"]):
        tensors |= {f"model.layers.{layer}.{name}": t for name, t in _layer(config, normal)}
    dtype = getattr(torch, config["dtype"])
    save_file({name: t.to(dtype).contiguous() for name, t in tensors.items()}, file, metadata={"format": "pt"})


def _layer(config: dict[str, Any], normal: Any) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    hidden, inner = config["hidden_size"], config["intermediate_size"]
    query, kv = (config["head_dim"] * config[f"num_{kind}_heads"] for kind in ("attention", "key_value"))
    for name, rows, columns, scale in (
        ("self_attn.q_proj", query, hidden, 1.5),
        ("self_attn.k_proj", kv, hidden, 1.5),
        ("self_attn.v_proj", kv, hidden, 1.0),
        ("self_attn.o_proj", hidden, query, 1.5),
        ("mlp.gate_proj", inner, hidden, 1.0),
        ("mlp.up_proj", inner, hidden, 1.0),
        ("mlp.down_proj", hidden, inner, 1.0),
    ):
        weight = normal(rows, columns, scale)
        if name in ("self_attn.o_proj", "mlp.down_proj"):
            weight[0] = 0.0
        yield f"{name}.weight", weight
    yield "input_layernorm.weight", torch.ones(hidden)
    yield "post_attention_layernorm.weight", torch.ones(hidden)


def token_bias(name: str, token: int) -> float:
    """What a tiny model adds to a token's logit: 0 if it prints, negative if it does not or ends the turn."""
    if token == END_OF_TURN:
        return PENALTY["end of turn"]
    printable = all(0x21 <= ord(char) < 0x7F or char in "\u0120\u010a" for char in name)
    return 0.0 if printable and name not in SPECIALS else PENALTY["unprintable"]


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2))
