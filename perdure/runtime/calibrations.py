"""Calibrations of Infini memories in the cache folder: one file per digest, and a pointer to the one in force.

calibrations/<model>/<digest>.safetensors     the numbers; older ones stay, for sessions that were folded with them
calibrations/<model>/current                  the digest of the one that new evictions take
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from blake3 import blake3
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import InvalidInput
from ..memory.recipe import Recipe
from ..memory.summary import RULES, Calibration, Infini
from .state.banks import Bank
from .state.base import Summaries

FORMAT = "perdure calibration 1"


class Stored(NamedTuple):
    """A calibration, and how it was made: settings and measured numbers, as plain values."""

    calibration: Calibration
    about: Mapping[str, Any]


def fingerprint(recipe: Recipe) -> str:
    """Names the model that a calibration is for: its weights and configuration, whatever machine and threads."""
    return blake3(f"{FORMAT} {recipe['weights']} {recipe['config']}".encode()).hexdigest(length=16)


class Calibrations(Summaries):
    """Those of one model, which has these banks."""

    def __init__(self, cache: Path, model: str, banks: Sequence[Bank], device: Any = "cpu") -> None:
        self.folder = cache / "calibrations" / model
        self._model = model
        self._banks = banks
        self._device = device
        self._made: dict[str, Infini] = {}

    def infini(self, gates: str) -> Infini:
        if gates not in self._made:
            if not gates or not self._file(gates).is_file():
                return super().infini(gates)
            self._made[gates] = Infini(self.read(gates).calibration)
        return self._made[gates]

    def current(self) -> Infini:
        """What new evictions take, all gates closed where nothing was calibrated. Raises InvalidInput for a damaged one."""
        pointer = self.folder / "current"
        if not pointer.is_file():
            return super().infini("")
        digest = pointer.read_text(encoding="utf-8").strip()
        if not self._file(digest).is_file():
            raise InvalidInput(f"{pointer} names a calibration that is not there. Run `perdure calibrate` again.")
        return self.infini(digest)

    def read(self, digest: str) -> Stored:
        """One of them. Raises InvalidInput where it is damaged or another model's."""
        file = self._file(digest)
        try:
            with safe_open(file, "pt") as opened:
                meta = opened.metadata() or {}
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
            about = json.loads(meta.get("about", "{}"))
        except (OSError, ValueError, SafetensorError) as error:
            raise _damaged(file) from error
        if meta.get("format") != FORMAT or meta.get("seal") != _seal(meta) or meta.get("rule") not in RULES:
            raise _damaged(file)
        if meta["model"] != self._model:
            raise InvalidInput(f"{file} was calibrated for another model. Run `perdure calibrate` for this one.")
        found = self._checked(file, meta["rule"], tensors)
        if not found.digest == meta["digest"] == digest:
            raise _damaged(file)
        return Stored(found, about)

    def write(self, stored: Stored) -> Path:
        """Keep a calibration and put it in force. Whole or not at all, whenever it is stopped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = stored.calibration.digest
        meta = {"format": FORMAT, "model": self._model, "rule": stored.calibration.rule, "digest": digest}
        meta["about"] = json.dumps(stored.about)
        meta["seal"] = _seal(meta)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in stored.calibration.named()}
        _replace(self._file(digest), save(tensors, meta))
        _replace(self.folder / "current", digest.encode())
        return self._file(digest)

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest}.safetensors"

    def _checked(self, file: Path, rule: str, tensors: Mapping[str, Tensor]) -> Calibration:
        placed = {name: tensor.to(self._device) for name, tensor in tensors.items()}
        count = len(self._banks)
        groups = [tuple(placed.pop(f"{name}.{i}") for i in range(count) if f"{name}.{i}" in placed) for name in _GROUPS]
        gates, keys, queries = groups
        fits = not placed and len(gates) == count and len(keys) == len(queries) and len(keys) in (0, count)
        if not fits or not all(_fits(bank, *part) for bank, part in zip(self._banks, _by_bank(groups), strict=True)):
            raise InvalidInput(f"{file} does not fit the layers of this model. Run `perdure calibrate` again.")
        return Calibration(rule, gates, keys, queries)


_GROUPS = ("gates", "keys", "queries")


def _by_bank(groups: list[tuple[Tensor, ...]]) -> list[tuple[Tensor, Tensor | None, Tensor | None]]:
    gates, keys, queries = groups
    return [(g, keys[i] if keys else None, queries[i] if queries else None) for i, g in enumerate(gates)]


def _fits(bank: Bank, gates: Tensor, keys: Tensor | None, queries: Tensor | None) -> bool:
    """Whether the tensors have the shapes and the range that `Calibration` says."""
    layers, heads = len(bank.layers), gates.shape[-1]
    plain = gates.dtype == torch.float32 and gates.shape == (layers, heads) and heads % bank.heads == 0
    if not plain or not bool(((gates >= 0) & (gates <= 1)).all()):
        return False
    if keys is None or queries is None:
        return keys is queries
    return keys.shape[:2] == (layers, bank.heads) and queries.shape == (layers, heads, *keys.shape[2:])


def _seal(meta: Mapping[str, str]) -> str:
    sealed = json.dumps([meta.get(name) for name in ("format", "model", "rule", "digest", "about")])
    return blake3(sealed.encode()).hexdigest(length=16)


def _damaged(file: Path) -> InvalidInput:
    return InvalidInput(f"The calibration {file} is damaged. Run `perdure calibrate` again.")


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
