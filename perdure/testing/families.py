"""Tiny random models of many families in the Hugging Face layout, for tests of whatever keeps a model's state."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
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
STEP = (0.005, 0.1)
DECAY = (0.5, 2.0)
KEPT = re.compile(r"dt_proj[._]weight$|time_mix|norm")

# A config takes the sizes whose names it knows; what a family needs beside them stands in the tables below.
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
    # With few of these heads, whose scores a ReLU cuts at zero, the best keys are often tied and a rounding chooses.
    "index_n_heads": 16,
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

_FAMILIES: dict[str, dict[str, Any]] = {
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
_NEWER: dict[str, dict[str, Any]] = {
    "afmoe": {"layer_types": SLIDING},
    "apertus": {},
    "axk1": {"num_key_value_heads": 4},
    "axk2": {"num_key_value_heads": 4},
    "bailing_hybrid": {"layer_types": LINEAR, "num_key_value_heads": 4},
    "bitnet": {},
    "cohere2": {"layer_types": SLIDING, "logit_scale": 1.0},
    "cohere2_moe": {"layer_types": SLIDING, "logit_scale": 1.0},
    "cwm": {"layer_types": SLIDING},
    "deepseek_v2": {"num_key_value_heads": 4},
    "deepseek_v32": {"num_key_value_heads": 4},
    "deepseek_v4": {
        "layer_types": [
            "sliding_attention",
            "compressed_sparse_attention",
            "heavily_compressed_attention",
            "compressed_sparse_attention",
        ],
        "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 16},
        "mlp_layer_types": ["hash_moe", "moe", "moe", "moe"],
        "num_key_value_heads": 1,
        "hc_mult": 2,
        "o_groups": 2,
        "o_lora_rank": 16,
        "index_topk": 4,
    },
    "diffllama": {},
    "doge": {"sliding_window": None},
    "dots1": {"layer_types": SLIDING},
    "dots3_note": {
        "layer_types": ["sliding_attention", "indexed_attention"] * 2,
        "num_key_value_heads": 4,
        "shared_experts_intermediate_size": 32,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_q_lora_rank": 32,
        "swa_kv_lora_rank": 16,
        "swa_head_dim": 24,
        "swa_qk_nope_head_dim": 16,
        "swa_v_head_dim": 16,
    },
    "ernie4_5": {},
    "exaone4": {"layer_types": SLIDING},
    "exaone_moe": {"layer_types": SLIDING},
    "falcon_h1_norm": {"mamba_d_ssm": 128, "mamba_rms_norm": True, "mamba_norm_before_gate": False},
    "flint": {"layer_types": SLIDING},
    "gemma3n": {
        "layer_types": SLIDING,
        "num_kv_shared_layers": 2,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 8,
    },
    "gemma4": {"layer_types": SLIDING, "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 8},
    "gemma4_moe": {"layer_types": SLIDING, "hidden_size_per_layer_input": 8, "enable_moe_block": True, "top_k_experts": 2},
    "gemma4_unified": {"layer_types": SLIDING},
    "glm4": {},
    "glm4_moe_lite": {"num_key_value_heads": 4},
    "glm_moe_dsa": {"num_key_value_heads": 4},
    "glm4_moe": {},
    "gpt_neo": {"attention_types": [[["local", "global"], 2]], "num_layers": 4, "num_heads": 4, "window_size": WINDOW},
    "granite_swa": {"layer_types": SLIDING},
    "granitemoe": {},
    "granitemoe_swa": {"layer_types": SLIDING},
    "hrm_text": {"num_hidden_layers": 1, "H_cycles": 2, "L_cycles": 2, "embedding_scale": 1.0},
    "hunyuan_v1_dense": {},
    "hy_v3": {},
    "hy_v4": {"num_key_value_heads": 4},
    "inkling": {
        "layer_types": ["hybrid_sliding", "hybrid"] * 2,
        "sliding_window_size": WINDOW,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 2,
        "swa_head_dim": 16,
        "rel_extent": 64,
        "route_scale": 1.0,
        "logits_mup_width_multiplier": 1.0,
    },
    "inkling2": {
        "layer_types": ["hybrid_sliding", "hybrid"] * 2,
        "sliding_window_size": WINDOW,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 2,
        "swa_head_dim": 16,
        "rel_extent": 64,
        "route_scale": 1.0,
        "n_layers_per_attn_res_block": 2,
    },
    "jetmoe": {"kv_channels": 16},
    "kolibri1": {"layer_types": SLIDING},
    "laguna": {"layer_types": SLIDING},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm3": {"layer_types": ["conv", "sliding_attention", "conv", "full_attention"]},
    "llama4": {"layer_types": ["chunked_attention", "full_attention"] * 2, "attention_chunk_size": WINDOW},
    "longcat_flash": {
        "num_layers": 2,
        "num_key_value_heads": 4,
        "head_dim": 8,
        "ffn_hidden_size": 128,
        "expert_ffn_hidden_size": 32,
        "moe_topk": 2,
        "zero_expert_num": 2,
    },
    "mellum": {"layer_types": SLIDING},
    "mimo_v2_flash": {"layer_types": SLIDING},
    "minicpm3": {"num_key_value_heads": 4, "dim_model_base": 64, "scale_emb": 1.0, "scale_depth": 2.0},
    "minimax_m2": {},
    "minimax_m3_vl": {
        "layer_types": ["full_attention", "minimax_m3_sparse"] * 2,
        "dense_intermediate_size": 64,
        "rotary_dim": 8,
        "index_n_heads": 2,
        "index_block_size": 8,
        "index_topk_blocks": 2,
    },
    "ministral": {"layer_types": SLIDING},
    "ministral3": {},
    "modernbert-decoder": {"layer_types": SLIDING, "local_attention": 2 * WINDOW},
    "nanochat": {},
    "phi3": {},
    "qwen2_moe": {"layer_types": SLIDING, "use_sliding_window": True},
    "qwen3_5_moe": {"layer_types": LINEAR},
    "qwen4_exp": {
        "layer_types": ["linear_attention", "indexed_attention"] * 2,
        "hc_count": 2,
        "hc_lowrank": 8,
        "ple_layer_ids": [1],
        "heads_per_ngram": 2,
        "ngram_vocab_size_base": 64,
        "split_ngram_parts": 1,
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 16,
        "indexer_compress_ratio": 4,
    },
    "qwen3_moe": {},
    "starcoder2": {},
    "vaultgemma": {"layer_types": SLIDING},
    "youtu": {"num_key_value_heads": 4},
    "zaya": {"layer_types": ["hybrid_sliding", "hybrid"] * 2, "num_experts_per_tok": 1, "router_hidden_size": 32},
}
FAMILIES: tuple[str, ...] = tuple(_FAMILIES)
NEWER: tuple[str, ...] = tuple(_NEWER)

# These multiply the embedding by the square root of its width.
SCALED = {"gemma2", "gemma3_text", "gemma3n_text", "gemma4_text", "gemma4_unified_text", "recurrent_gemma", "vaultgemma"}
VARIANTS = {"falcon_h1_norm": "falcon_h1", "gemma4_moe": "gemma4"}


def tiny_model(
    family: str, folder: Path, *, dtype: Literal["float32", "bfloat16"] = "float32", seed: int = 0, **sizes: Any
) -> Path:
    """Writes a tiny random model of `family` with tokenizer and chat template into `folder`, and returns it.

    `sizes` are entries of the family's config that take the place of the tiny ones.
    The same arguments write the same weights. Logits have a spread of about 1 to 3, printable characters are the
    likely ones, the end of a turn is rare, and what came first in a text of 100 tokens still shows in the logits
    unless the family looks no further back than its windows. KeyError if the family is unknown.
    """
    import torch
    from transformers import AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    vocab = tiny_tokenizer(folder / "tokenizer.json")
    config = _config(family, len(vocab), sizes)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        _enliven(model, vocab)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    write_companions(folder, sizes.get("max_position_embeddings", POSITIONS))
    return folder


def _config(family: str, vocab: int, changes: Mapping[str, Any]) -> Any:
    """The family's own config with every size made small, but for those in `changes`."""
    from transformers import CONFIG_MAPPING

    specifics = deepcopy((_FAMILIES | _NEWER)[family])
    name = VARIANTS.get(family, family)
    kind = CONFIG_MAPPING[f"{name}_text" if f"{name}_text" in CONFIG_MAPPING else name]
    known = {field.name for field in fields(kind)}
    sizes = {**SIZES, "vocab_size": vocab, "vocab_size_per_layer_input": vocab, "unpadded_vocab_size": vocab}
    sizes = {name: size for name, size in sizes.items() if name in known}
    return kind(**{**sizes, **specifics, **changes}, bos_token_id=1, eos_token_id=END_OF_TURN, pad_token_id=0)


def _enliven(model: Any, vocab: dict[str, int]) -> None:
    """Sets the weights so that every part of the model is heard in the logits.

    What a library draws for training is small, or forgets within a token, or starts at zero.
    """
    for name, tensor in model.named_parameters():
        if name.endswith(("dt_bias", "dt_proj.bias", "dt_proj_bias")):
            _draw_steps(tensor)
        elif name.endswith("A_log"):
            tensor.uniform_(*DECAY).log_()
        elif name.endswith("igate_preact.bias"):
            tensor.zero_()
        elif name.endswith("qk_norm.temp"):
            tensor.fill_(1.0)
        elif tensor.dim() > 1 and not KEPT.search(name):
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
