"""Finding a model on this machine and loading it. Nothing here touches the network."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ..config import INT8, STORED, known_weights
from ..errors import InvalidInput, ModelNotFound
from ..memory.recipe import Recipe
from .catalogue import find, folder_name
from .chat import ChatFormat
from .convert import gguf_options, gguf_tokenizer, reading
from .fingerprint import WeightsCache, recipe_of
from .grammar import Grammars
from .int8 import SCHEME, quantise
from .pairs import SCHEME as PAIRED
from .pairs import pair
from .records import ModelInfo

DTYPES = ("bfloat16", "float32", "float16")

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")

UNBOUNDED_CONTEXT = 1 << 20
"""Tokens allowed to a model that states no limit."""


OWN = {"rwkv7": "perdure.runtime.rwkv7"}
"""Types of models that transformers lacks, and the modules of ours whose `load` loads them."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run: in inference mode, on its device, with its conversation format and its recipe."""

    model: Any
    tokenizer: Any
    chat: ChatFormat
    config: Any
    info: ModelInfo
    recipe: Recipe

    @cached_property
    def grammars(self) -> Grammars:
        """What answers of this model can be held to."""
        return Grammars(self.tokenizer, self.chat.stop_tokens)


class ModelFiles(NamedTuple):
    """What a model folder holds: either safetensors with a config and a tokenizer, or one GGUF file with everything."""

    folder: Path
    weights: tuple[Path, ...]
    gguf: str | None


def inspect(folder: Path) -> ModelFiles:
    """The files of a model folder; raises InvalidInput saying what is missing."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder; give a folder with a model in the Hugging Face layout.")
    weights = tuple(sorted(folder.glob("*.safetensors")))
    if weights:
        _require_companions(folder)
        return ModelFiles(folder, weights, None)
    ggufs = sorted(folder.glob("*.gguf"))
    if len(ggufs) > 1:
        names = ", ".join(file.name for file in ggufs)
        raise InvalidInput(f"{folder} holds several GGUF files ({names}); move the one to use into a folder of its own.")
    if ggufs:
        return ModelFiles(folder, (ggufs[0],), ggufs[0].name)
    if any(next(folder.glob(pattern), None) for pattern in PICKLES):
        raise InvalidInput(
            f"{folder} holds pickled weights only, which can run code when they are loaded, so Perdure refuses them. "
            "Convert them to safetensors first."
        )
    raise InvalidInput(f"{folder} holds no model: neither *.safetensors nor *.gguf files are in it.")


def _require_companions(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise InvalidInput(f"{folder} has weights but no config.json; copy it from where the weights come from.")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise InvalidInput(f"{folder} has no tokenizer (tokenizer.json); copy it from where the weights come from.")


def resolve(name_or_path: str | Path, cache: Path) -> Path:
    """The folder of a model: a catalogue name, a hub id that was pulled, or a folder. Raises ModelNotFound."""
    entry = find(str(name_or_path))
    if entry is not None and entry.encoder:
        raise InvalidInput(f"{entry.name} is a sentence encoder, which cannot chat; name a chat model.")
    if entry is None and Path(name_or_path).is_dir():
        return inspect(Path(name_or_path).absolute()).folder
    folder = cache / "models" / folder_name(entry.name if entry else str(name_or_path))
    if folder.is_dir():
        return inspect(folder).folder
    wanted = entry.name if entry else name_or_path
    raise ModelNotFound(f"The model {str(wanted)!r} is not on this machine. Get it with: perdure pull {wanted}")


def load(
    path: Path,
    *,
    name: str,
    dtype: str | None = None,
    weights: str = STORED,
    threads: int | None = None,
    attention: str | None = None,
    device: str | None = None,
    cache: Path | None = None,
) -> LoadedModel:
    """Loads the model in `path` for inference.

    `attention` None lets transformers choose the implementation; `dtype` None takes that of the weights (float16 becomes
    float32 on a CPU); `weights` "int8" rounds the linear layers' weights to 8 bits; `threads` sets torch's number of
    threads; `device` None takes CUDA where there is one. The digest of the weights, as they are stored, is remembered in
    `cache`, or in a folder `.perdure` beside the weights. Raises InvalidInput for a folder, a file or a setting that cannot
    be used.
    """
    import torch

    _check(dtype, threads)
    known_weights(weights)
    files = inspect(path)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if threads is not None:
        torch.set_num_threads(threads)
    digests = WeightsCache(cache / "fingerprints" if cache else path / ".perdure", files.weights, _kind(dtype, place))
    with quiet(), reading() if files.gguf else contextlib.nullcontext():
        tokenizer = _load_tokenizer(files)
        model = _load_weights(files, dtype, place, attention)
    return _describe(model, tokenizer, name, files, digests, weights)


def _describe(model: Any, tokenizer: Any, name: str, files: ModelFiles, digests: WeightsCache, weights: str) -> LoadedModel:
    chat = ChatFormat(tokenizer, eos=_end_tokens(model))
    used = str(model.config.get_text_config(decoder=True)._attn_implementation or "none")
    parameters = sum(p.numel() for p in model.parameters())
    recipe = recipe_of(model, tokenizer, chat.template, weights=digests.digest(model), attention=used)
    if weights == INT8:
        quantise(model)
        recipe = recipe.replace(quantisation=SCHEME)
    if pair(model):
        recipe = recipe.replace(rows=PAIRED)
    info = ModelInfo(
        name=name,
        path=str(files.folder),
        architecture=type(model).__name__,
        dtype=recipe["dtype"],
        context_length=_context_length(model.config),
        parameters=parameters,
        fingerprint=recipe.hex,
    )
    return LoadedModel(model, tokenizer, chat, model.config, info, recipe)


def _check(dtype: str | None, threads: int | None) -> None:
    if dtype is not None and dtype not in DTYPES:
        raise InvalidInput(f"The number type {dtype!r} is not known; give one of {', '.join(DTYPES)}.")
    if threads is not None and threads < 1:
        raise InvalidInput(f"threads is {threads}; give at least 1.")


def _kind(dtype: str | None, place: str) -> str:
    import transformers

    return f"{dtype or 'as stored'} on {place}, transformers {transformers.__version__}"


def _load_tokenizer(files: ModelFiles) -> Any:
    from transformers import AutoTokenizer

    try:
        if files.gguf is not None:
            return gguf_tokenizer(files.folder, files.gguf)
        return AutoTokenizer.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise _unusable(files.folder, "tokenizer", error) from error


def _load_weights(files: ModelFiles, dtype: str | None, place: str, attention: str | None) -> Any:
    import torch

    own = own_loader(files.folder) if files.gguf is None else None
    number = getattr(torch, dtype) if dtype else None
    try:
        model, report = own(files.folder, files.weights, number) if own else _from_transformers(files, number, attention)
    except InvalidInput:
        raise
    except Exception as error:
        raise _unusable(files.folder, "model", error) from error
    _require_whole(files.folder, report)
    if dtype is None and place == "cpu" and model.dtype == torch.float16:
        model = model.float()
    return model.to(place).eval().requires_grad_(False)


def own_loader(folder: Path) -> Callable[..., Any] | None:
    """The loader of a model in a folder whose type is one of `OWN`."""
    try:
        home = OWN[json.loads((folder / "config.json").read_bytes())["model_type"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    loader: Callable[..., Any] = import_module(home).load
    return loader


def _from_transformers(files: ModelFiles, dtype: Any, attention: str | None) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        files.folder,
        dtype=dtype or "auto",
        attn_implementation=attention,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        **({"use_safetensors": True} if files.gguf is None else gguf_options(files.gguf)),
    )


def _require_whole(folder: Path, report: Any) -> None:
    """Transformers fills tensors that are missing with random numbers; that must not pass for a model."""
    absent = sorted(map(str, [*report["missing_keys"], *(item[0] for item in report["mismatched_keys"])]))
    if absent:
        shown = ", ".join(absent[:3]) + (" ..." if len(absent) > 3 else "")
        raise InvalidInput(
            f"The weights in {folder} are incomplete: {len(absent)} tensors are missing or misshapen ({shown})."
        )


def _unusable(folder: Path, what: str, error: Exception) -> InvalidInput:
    sentence = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
    return InvalidInput(f"The {what} in {folder} cannot be loaded: {sentence}.")


def _end_tokens(model: Any) -> frozenset[int]:
    ends: set[int] = set()
    for source in (model.generation_config, model.config):
        value = getattr(source, "eos_token_id", None)
        ends.update(value if isinstance(value, (list, tuple)) else () if value is None else (value,))
    return frozenset(ends)


def _context_length(config: Any) -> int:
    text = config.get_text_config(decoder=True)
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
    return next((value for name in names if isinstance(value := getattr(text, name, None), int)), UNBOUNDED_CONTEXT)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers and the hub's client from writing progress bars, log lines and warnings."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    level, bars, hub_bars = logging.get_verbosity(), logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        if hub_bars:
            enable_progress_bars()
