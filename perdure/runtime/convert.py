"""GGUF files through transformers: dequantised weights and a tokenizer that splits text as the model was trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

SPLITS_DIGITS = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"})
"""Values of `tokenizer.ggml.pre` by which each digit is a piece of its own; transformers does not read that key."""

FINISH = 30
"""What writing the folder counts for, in tensors."""


def gguf_tokenizer(folder: Path, file: str) -> Any:
    """The tokenizer in a GGUF file."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file, local_files_only=True)
    if splitting(folder / file) in SPLITS_DIGITS:
        _split_digits(tokenizer.backend_tokenizer)
    return tokenizer


def splitting(file: Path) -> str:
    """The way in which the GGUF file says text is split before it is encoded; empty if it does not say."""
    from gguf import GGUFReader

    field = GGUFReader(file).get_field("tokenizer.ggml.pre")
    return str(field.contents()) if field is not None else ""


def _split_digits(backend: Any) -> None:
    from tokenizers import pre_tokenizers

    digits = pre_tokenizers.Digits(individual_digits=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])


def gguf_options(file: str) -> dict[str, Any]:
    """What makes `from_pretrained` read a GGUF file into plain tensors."""
    from transformers import GgufConfig

    return {"gguf_file": file, "quantization_config": GgufConfig(dequantize=True)}


@contextlib.contextmanager
def reading(progress: Callable[[str, int, int], None] | None = None) -> Iterator[None]:
    """While transformers reads a GGUF file, its bar over the tensors goes to `progress`, or nowhere."""
    from transformers import modeling_gguf_pytorch_utils as reader

    def count(items: Iterable[Any], **_: Any) -> Iterator[Any]:
        every = list(items)
        for done, item in enumerate(every):
            if progress is not None:
                progress("convert", done, len(every) + FINISH)
            yield item

    bar, reader.tqdm = reader.tqdm, count
    try:
        yield
    finally:
        reader.tqdm = bar


def convert(folder: Path, file: str, target: Path, progress: Callable[[str, int, int], None]) -> None:
    """Writes the model in a GGUF file as a folder of bfloat16 safetensors, config, tokenizer and chat template."""
    import torch
    from transformers import AutoModelForCausalLM

    progress("convert", 0, 1)
    with reading(progress):
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16, local_files_only=True, **gguf_options(file)
        )
    tensors = len(model.state_dict())
    progress("convert", tensors, tensors + FINISH)
    model.save_pretrained(target)
    gguf_tokenizer(folder, file).save_pretrained(target)
    progress("convert", tensors + FINISH, tensors + FINISH)
