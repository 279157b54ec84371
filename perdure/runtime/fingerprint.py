"""The parts of a recipe that come from a model: its weights, configuration and tokenizer."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from ..config import PREFILL_GRID
from ..memory.recipe import STATE_FORMAT, Recipe, content_digest, weights_digest

WITHOUT_EFFECT = frozenset(
    {
        "_name_or_path",
        "name_or_path",
        "transformers_version",
        "architectures",
        "dtype",
        "torch_dtype",
        "use_cache",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "initializer_range",
        "id2label",
        "label2id",
        "problem_type",
        "task_specific_params",
        "quantization_config",
    }
)
"""Settings of a configuration that name, describe or train a model but do not change the numbers it computes."""


def recipe_of(model: Any, tokenizer: Any, template: str, *, weights: str, attention: str) -> Recipe:
    """The recipe of a loaded model as it would compute now. `weights` is the digest of its tensors."""
    import torch
    import transformers

    cpu = model.device.type == "cpu"
    return Recipe.of(
        weights=weights,
        config=content_digest("perdure config 1", effective(model.config.to_dict())).hex(),
        tokenizer=content_digest("perdure tokenizer 1", tokenizer.backend_tokenizer.to_str()).hex(),
        chat_template=content_digest("perdure template 1", template).hex(),
        dtype=str(model.dtype).removeprefix("torch."),
        attention=attention,
        grid=str(PREFILL_GRID),
        adapters="none",
        format=STATE_FORMAT,
        device="cpu" if cpu else torch.cuda.get_device_name(model.device),
        threads=str(torch.get_num_threads()) if cpu else "any",
        capability=torch.backends.cpu.get_cpu_capability() if cpu else _cuda_capability(model.device),
        torch=torch.__version__.partition("+")[0],
        transformers=".".join(transformers.__version__.split(".")[:2]),
    )


def _cuda_capability(device: Any) -> str:
    import torch

    return ".".join(map(str, torch.cuda.get_device_capability(device)))


def effective(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that decides numbers, nested configurations included."""
    return {
        key: effective(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in WITHOUT_EFFECT and not key.startswith("_attn")
    }


class WeightsCache:
    """Remembers the digest of a model's loaded tensors in one small file per model and dtype.

    An entry counts only for files of the very same path, size, inode and times as when it was computed. Without a
    folder that can be written, or with a damaged entry, the digest is computed again.
    """

    def __init__(self, folder: Path, files: Sequence[Path], kind: str) -> None:
        self._key = [kind, *(_identity(file) for file in sorted(files))]
        name = blake3(json.dumps([kind, *sorted(map(str, files))]).encode()).hexdigest(length=16)
        self._file = folder / f"weights-{name}.json"
        self._files = sorted(files)
        self._kind = kind

    def digest(self, model: Any) -> str:
        """The digest of `model`, which was loaded from the files after this object was made."""
        return self._recall() or self._compute(model)

    def _recall(self) -> str | None:
        try:
            entry = json.loads(self._file.read_bytes())
            found, sealed = entry["digest"], entry["seal"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return str(found) if entry.get("key") == self._key and sealed == self._seal(str(found)) else None

    def _compute(self, model: Any) -> str:
        digest = weights_digest(model.state_dict().items()).hex()
        if [self._kind, *map(_identity, self._files)] == self._key:
            with contextlib.suppress(OSError):
                self._remember(digest)
        return digest

    def _remember(self, digest: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(f".{os.getpid()}.tmp")
        try:
            draft.write_text(json.dumps({"key": self._key, "digest": digest, "seal": self._seal(digest)}))
            draft.replace(self._file)
        finally:
            draft.unlink(missing_ok=True)

    def _seal(self, digest: str) -> str:
        return content_digest("perdure weights entry 1", [self._key, digest]).hex()


def _identity(file: Path) -> list[Any]:
    found = file.stat()
    return [str(file), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
