"""RWKV-7 (Peng et al. 2025, arXiv:2503.14456), which transformers lacks: the arithmetic is the `rwkv` package's.

The package is optional (`pip install perdure[rwkv7]`). Weights are safetensors named as in the checkpoints RWKV/RWKV7-*.
A state is a list of [att_x_prev [C], wkv [H, N value, N key] in float32, ffn_x_prev [C]] for each layer.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedConfig

from ..errors import InvalidInput

VERSION = "0.8.32"
ATTENTION = f"rwkv {VERSION}, v7 value-key state"
"""What the recipe says: the package, and the layout of its state."""

HEAD = 64
BUILT_IN = {"head_dim": HEAD, "norm_eps": 1e-5, "tie_word_embeddings": False, "use_deep_embed": False}
"""Settings that the package does not read: it has these values built in, or the official checkpoints do."""

KERNELS = ("RWKV_x070_TMix_one", "RWKV_x070_TMix_seq", "RWKV_x070_CMix_one", "RWKV_x070_CMix_seq")
MIXES = ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g")
VECTORS = ("w0", "w1", "w2", "a0", "a1", "a2", "v0", "v1", "v2", "g1", "g2", "k_k", "k_a", "r_k")
UNUSED = re.compile(r"rwkv7\.blocks\.0\.att\.v[012]")

State = list[list[Tensor]]


class Rwkv7Config(PreTrainedConfig):  # type: ignore[misc]
    """config.json of a model of type rwkv7."""

    model_type = "rwkv7"

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    decay_low_rank_dim: int
    a_low_rank_dim: int
    v_low_rank_dim: int
    gate_low_rank_dim: int
    head_dim: int = HEAD
    norm_eps: float = 1e-5
    tie_word_embeddings: bool = False
    use_deep_embed: bool = False


@cache
def kernels() -> dict[str, Any]:
    """The package's functions for one and for several tokens. Raises InvalidInput where it is missing or another version.

    They are taken out of its source, for importing it sets torch's global settings and the environment, compiles with
    TorchScript, which is deprecated, and prints. Bits are the same.
    """
    try:
        found = importlib.metadata.version("rwkv")
    except importlib.metadata.PackageNotFoundError:
        found = "no version"
    spec = importlib.util.find_spec("rwkv")
    if found != VERSION or spec is None or not spec.submodule_search_locations:
        raise InvalidInput(
            f"Models of type 'rwkv7' need the package rwkv {VERSION}, and {found} of it is here. Get it with: "
            "pip install perdure[rwkv7]"
        )
    return _functions(Path(spec.submodule_search_locations[0], "model.py"))


def _functions(file: Path) -> dict[str, Any]:
    """Of each function the last definition, which is the one without CUDA and without DeepEmbed."""
    nodes = [n for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.FunctionDef) and n.name in KERNELS]
    for node in nodes:
        node.decorator_list = []
    made: dict[str, Any] = {"torch": torch}
    exec(compile(ast.Module(list(nodes), []), str(file), "exec"), made)
    return {name: made[name] for name in KERNELS}


@dataclass
class Output:
    """`last_hidden_state` [1, 1, C] and, from the whole model, `logits` [1, 1, V] are those of the last token."""

    last_hidden_state: Tensor
    state: State
    logits: Tensor | None = None


class TimeMix(nn.Module):
    """Parameters of one layer's time mixing, in the shapes of the checkpoint."""

    def __init__(self, config: Rwkv7Config, layer: int) -> None:
        super().__init__()
        width, self.layer, self.heads = config.hidden_size, layer, config.hidden_size // HEAD
        ranks = {"w": config.decay_low_rank_dim, "a": config.a_low_rank_dim, "v": config.v_low_rank_dim}
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys((*MIXES, "k_k", "k_a"), (1, 1, width))
        for name in "wav" if layer else "wa":
            shapes |= {f"{name}0": (1, 1, width), f"{name}1": (width, ranks[name]), f"{name}2": (ranks[name], width)}
        gate = config.gate_low_rank_dim
        shapes |= {"g1": (width, gate), "g2": (gate, width), "r_k": (self.heads, HEAD)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
        self.receptance, self.key, self.value, self.output = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.ln_x = nn.LayerNorm(width)

    def forward(self, x: Tensor, past: Tensor, wkv: Tensor, first: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x [C] or [T, C], the last x of the forward before, its wkv, v of layer 0 -> (output, last x, wkv, v)."""
        mix = kernels()["RWKV_x070_TMix_one" if x.dim() == 1 else "RWKV_x070_TMix_seq"]
        result: tuple[Tensor, Tensor, Tensor, Tensor]
        result = mix(self.layer, self.heads, HEAD, x, past, first, wkv, *self._arguments())
        return result

    def _arguments(self) -> Iterator[Tensor]:
        for name in (*MIXES, *VECTORS):
            # Layer 0 has no v0, v1, v2: its v is the first one, and the function does not read them.
            tensor = self._parameters.get(name, self._parameters["x_v"])
            assert tensor is not None
            yield tensor if name[-1] in "12" else tensor.flatten()
        for linear in (self.receptance, self.key, self.value, self.output):
            yield linear.weight.t()
        yield from (self.ln_x.weight, self.ln_x.bias)


class ChannelMix(nn.Module):
    def __init__(self, config: Rwkv7Config) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.x_k = nn.Parameter(torch.empty(1, 1, width))
        self.key = nn.Linear(width, inner, bias=False)
        self.value = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """x [C] or [T, C] and the last x of the forward before -> (output, last x)."""
        mix = kernels()["RWKV_x070_CMix_one" if x.dim() == 1 else "RWKV_x070_CMix_seq"]
        result: tuple[Tensor, Tensor] = mix(x, past, self.x_k.flatten(), self.key.weight.t(), self.value.weight.t())
        return result


class Block(nn.Module):
    def __init__(self, config: Rwkv7Config, layer: int) -> None:
        super().__init__()
        if layer == 0:
            self.ln0 = nn.LayerNorm(config.hidden_size)
        self.ln1, self.ln2 = nn.LayerNorm(config.hidden_size), nn.LayerNorm(config.hidden_size)
        self.att, self.ffn = TimeMix(config, layer), ChannelMix(config)


class Rwkv7Base(nn.Module):
    """Everything but the head."""

    def __init__(self, config: Rwkv7Config) -> None:
        super().__init__()
        self.config = config
        self.emb = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        self.ln_out = nn.LayerNorm(config.hidden_size)

    @property
    def device(self) -> torch.device:
        return self.emb.weight.device

    def forward(self, input_ids: Tensor, state: State | None = None, use_cache: bool = True) -> Output:
        """input_ids [1, T]. `state` (None: nothing absorbed) is not changed; the new one shares no memory with it."""
        (ids,) = input_ids
        blocks: list[Any] = list(self.blocks)
        x = blocks[0].ln0(self.emb(ids[0] if len(ids) == 1 else ids))
        first, after = torch.empty_like(x), []
        for block, (att, wkv, ffn) in zip(blocks, state or self._fresh(), strict=True):
            mixed, att, wkv, first = block.att(block.ln1(x), att, wkv, first)
            x = x + mixed
            mixed, ffn = block.ffn(block.ln2(x), ffn)
            x = x + mixed
            # The last x of several tokens is a view of all of them.
            after.append([att.clone(), wkv, ffn.clone()])
        return Output(self.ln_out(x.view(-1, x.shape[-1])[-1])[None, None], after)

    def _fresh(self) -> State:
        width, like = self.config.hidden_size, self.emb.weight
        wkv = like.new_zeros(width // HEAD, HEAD, HEAD, dtype=torch.float32)
        return [[like.new_zeros(width), wkv, like.new_zeros(width)] for _ in self.blocks]


class Rwkv7Model(nn.Module):
    """The model with its head, as the engine needs it. Parameters are named and shaped as in the checkpoint."""

    def __init__(self, config: Rwkv7Config, generation_config: Any = None) -> None:
        super().__init__()
        self.config, self.generation_config = config, generation_config
        self.rwkv7 = Rwkv7Base(config)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    @property
    def base_model(self) -> Rwkv7Base:
        return self.rwkv7

    @property
    def device(self) -> torch.device:
        return self.rwkv7.device

    @property
    def dtype(self) -> torch.dtype:
        return self.head.weight.dtype

    def get_output_embeddings(self) -> nn.Linear:
        return self.head

    def forward(self, input_ids: Tensor, state: State | None = None, use_cache: bool = True) -> Output:
        """As `Rwkv7Base.forward`, with the logits of the last token."""
        out: Output = self.rwkv7(input_ids, state)
        out.logits = self.head(out.last_hidden_state)
        return out


def load(folder: Path, weights: Sequence[Path], dtype: torch.dtype | None) -> tuple[Rwkv7Model, dict[str, list[Any]]]:
    """The model in a folder, and a report of tensors as transformers gives it (`missing_keys`, `mismatched_keys`).

    `dtype` None is that of the configuration. Raises InvalidInput without the package, and for a configuration or
    tensors that ask for what it does not compute.
    """
    kernels()
    config = Rwkv7Config.from_pretrained(folder, local_files_only=True)
    _require_built_in(folder, config)
    config._attn_implementation = ATTENTION
    with torch.device("meta"):
        model = Rwkv7Model(config, _generation_config(folder))
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = dict(_tensors(weights, dtype or config.dtype))
    _require_known(folder, sorted(found.keys() - wanted.keys()))
    misshapen = [name for name in found if found[name].shape != wanted[name]]
    fitting = {name: tensor for name, tensor in found.items() if name not in misshapen}
    model.load_state_dict(fitting, strict=False, assign=True)
    absent = sorted(wanted.keys() - found.keys())
    return model, {"missing_keys": absent, "mismatched_keys": [(name, found[name].shape) for name in misshapen]}


def _require_built_in(folder: Path, config: Rwkv7Config) -> None:
    for name, wanted in BUILT_IN.items():
        value = getattr(config, name)
        if value != wanted:
            raise InvalidInput(
                f"The RWKV-7 model in {folder} has {name} {value} in its config.json; the package rwkv computes "
                f"{name} {wanted} only."
            )


def _require_known(folder: Path, names: list[str]) -> None:
    if names:
        shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
        raise InvalidInput(
            f"The weights in {folder} hold {len(names)} tensors that an RWKV-7 model of its config.json lacks ({shown}); "
            "without them it would compute something else."
        )


def _tensors(files: Sequence[Path], dtype: torch.dtype | None) -> Iterator[tuple[str, Tensor]]:
    for file in files:
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - not a dict
                if not UNUSED.fullmatch(name):
                    yield name, opened.get_tensor(name).to(dtype)


def _generation_config(folder: Path) -> Any:
    if not (folder / "generation_config.json").is_file():
        return None
    return GenerationConfig.from_pretrained(folder, local_files_only=True)
