"""Tiny random models of many families in the Hugging Face layout, for tests of whatever keeps a model's state."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from perdure.testing.tiny import END_OF_TURN, LOGIT_SPREAD, tiny_tokenizer, token_bias, write_companions

if TYPE_CHECKING:
    import torch

WINDOW = 24
LAYERS = 4
POSITIONS = 2048

GAIN = 1.25
QUIET = 0.25
STEP = (0.01, 0.1)
DECAY = (0.5, 2.0)
KEPT = re.compile(r"dt_proj(\.|_)weight$|time_mix|norm")

# A config takes the sizes whose names it knows; what it needs beside them stands in SPECIFICS.
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": POSITIONS,
    "tie_word_embeddings": False,
    "sliding_window": WINDOW,
    "query_pre_attn_scalar": 16,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "shared_intermediate_size": 32,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "num_shared_experts": 1,
    "num_dense_layers": 1,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 32,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "index_topk": 16,
    "index_head_dim": 16,
    "index_n_heads": 2,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_head_dim": 16,
    "linear_num_heads": 4,
    "state_size": 8,
    "mamba_d_state": 8,
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "n_mamba_heads": 8,
    "mamba_chunk_size": 32,
    "chunk_size": 32,
}

ROPE = {"rope_type": "default", "rope_theta": 10000.0}
SLIDING = ["sliding_attention", "full_attention"] * 2
LINEAR = ["linear_attention", "full_attention"] * 2

SPECIFICS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "smollm3": {},
    "mistral": {},
    "gemma2": {"layer_types": SLIDING},
    "gemma3": {"layer_types": SLIDING},
    "olmo3": {"layer_types": SLIDING},
    "gpt_oss": {"layer_types": SLIDING, "rope_parameters": ROPE},
    "deepseek_v3": {"num_key_value_heads": 4},
    "mamba": {},
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 2},
    "falcon_mamba": {},
    "rwkv": {"context_length": POSITIONS, "rescale_every": 0},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "bamba": {"attn_layer_indices": [1, 3]},
    "granitemoehybrid": {"layer_types": LINEAR},
    "zamba": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "num_key_value_heads": 4,
        "n_mamba_heads": 2,
    },
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "num_key_value_heads": 4,
        "adapter_rank": 8,
    },
    "nemotron_h": {
        "layers_block_type": ["linear_attention", "full_attention", "linear_attention", "moe"],
        "ssm_state_size": 8,
        "mamba_num_heads": 8,
        "mamba_head_dim": 16,
        "n_groups": 2,
        "moe_shared_expert_intermediate_size": 32,
        "sliding_window": None,
    },
    "falcon_h1": {"mamba_d_ssm": 128},
    "qwen3_next": {"layer_types": LINEAR},
    "qwen3_5": {"layer_types": LINEAR},
    "olmo_hybrid": {"layer_types": LINEAR, "linear_num_value_heads": 2},
    "kimi_linear": {"layer_types": LINEAR, "num_key_value_heads": 4, "q_lora_rank": None},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2, "block_auto_adjust_ff_dim": False},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"], "attention_window_size": WINDOW},
    "minimax": {"layer_types": LINEAR, "sliding_window": None, "block_size": 32},
    "xlstm": {"num_heads": 4, "qk_dim_factor": 1.0, "chunk_size": 16},
}
FAMILIES: tuple[str, ...] = tuple(SPECIFICS)
NEWER: tuple[str, ...] = ()
# These multiply the embedding by the square root of its width.
SCALED = {"gemma2", "gemma3_text", "recurrent_gemma"}
MODEL_TYPES = {"gemma3": "gemma3_text", "qwen3_5": "qwen3_5_text"}


def tiny_model(family: str, folder: Path, *, dtype: Literal["float32", "bfloat16"] = "float32", seed: int = 0) -> Path:
    """Writes a tiny random model of `family` with tokenizer and chat template into `folder`, and returns it.

    The same arguments write the same weights. Logits have a spread of about 1 to 3, printable characters are the
    likely ones, the end of a turn is rare, and what came first in a text of 100 tokens still shows in the logits
    unless the family looks no further back than its windows. KeyError if the family is unknown.
    """
    import torch
    from transformers import AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    vocab = tiny_tokenizer(folder / "tokenizer.json")
    config = _config(family, len(vocab))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        _enliven(model, vocab)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    write_companions(folder, POSITIONS)
    return folder


def _config(family: str, vocab: int) -> Any:
    """The family's own config with every size made small."""
    from dataclasses import fields

    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[MODEL_TYPES.get(family, family)]
    known = {field.name for field in fields(kind)}
    sizes = {name: value for name, value in SIZES.items() if name in known}
    tokens = {"vocab_size": vocab, "bos_token_id": 1, "eos_token_id": END_OF_TURN, "pad_token_id": 0}
    return kind(**{**sizes, **tokens, **SPECIFICS[family]})


def _enliven(model: Any, vocab: dict[str, int]) -> None:
    """Sets the weights so that every part of the model is heard in the logits.

    What a library draws for training is small, or forgets within a token, or starts at zero.
    """
    for name, tensor in model.named_parameters():
        if KEPT.search(name):
            continue
        if name.endswith(("dt_bias", "dt_proj.bias", "dt_proj_bias")):
            _draw_steps(tensor)
        elif name.endswith("A_log"):
            tensor.uniform_(*DECAY).log_()
        elif name.endswith("igate_preact.bias"):
            tensor.zero_()
        elif tensor.dim() > 1:
            tensor.normal_(std=GAIN / math.sqrt(tensor.shape[-1]))
    embedding = model.get_input_embeddings().weight
    embedding.normal_(std=embedding.shape[-1] ** -0.5 if model.config.model_type in SCALED else 1.0)
    head = model.get_output_embeddings().weight
    head.normal_(std=LOGIT_SPREAD / math.sqrt(head.shape[-1]))
    head[[i for name, i in vocab.items() if token_bias(name, i) < 0]] *= QUIET


def _draw_steps(bias: torch.Tensor) -> None:
    """Sets a bias whose softplus, the step of a state-space model, is log-uniform over STEP."""
    low, high = (math.log(step) for step in STEP)
    step = bias.uniform_(low, high).exp()
    bias.copy_(step + (-(-step).expm1()).log())
