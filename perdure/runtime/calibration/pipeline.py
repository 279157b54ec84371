"""From texts to a calibration that is in force, or to the finding that the gates stay closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ...errors import InvalidInput
from ...memory.summary import RULES, Calibration
from ..calibrations import Calibrations, Stored, fingerprint
from ..models import LoadedModel
from ..runtime import make_engine
from ..state.cache import CacheAdapter
from .learner import Learner
from .selection import CANDIDATES, Gain, choose, confirm
from .streams import STEP, Setting, Streams
from .training import FULL, TARGETS, Progress, Rates, train

LENGTH = 4096
"""Tokens of a piece of text that is run from its beginning."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to learn: the memory's `rule`, whether with `maps`, from how many `tokens`, in which working set.

    Pieces of text have `length` tokens, or as many as the model's context, if that is less.
    """

    rule: str = "linear"
    maps: bool = True
    tokens: int = 49_152
    length: int = LENGTH
    setting: Setting = field(default_factory=Setting)
    rates: Rates = field(default_factory=Rates)
    target: str = FULL

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InvalidInput(f"There is no rule {self.rule!r} for the memory; give {' or '.join(RULES)}.")
        if self.target not in TARGETS:
            raise InvalidInput(f"There is no target {self.target!r}; give {' or '.join(TARGETS)}.")
        if self.length < self.setting.first + 2 * STEP:
            raise InvalidInput(
                f"Pieces of {self.length} tokens leave nothing to learn behind a window of {self.setting.first}; "
                "make the window or the block smaller."
            )


class Outcome(NamedTuple):
    """`file` is None where all gates stay closed. `open` of `gates` are open.

    `chosen` and `confirmed` are gains over the window alone, `remembered` that over the memory of another text.
    """

    file: Path | None
    candidate: str
    open: int
    gates: int
    chosen: Gain | None = None
    confirmed: Gain | None = None
    remembered: Gain | None = None


class Pieces(NamedTuple):
    """Pieces of text: to train on, to choose the gates on, to confirm the choice on. No token is in two of them."""

    train: list[list[int]]
    choose: list[list[int]]
    confirm: list[list[int]]


def calibrate(loaded: LoadedModel, cache: Path, texts: Sequence[str], wanted: Wanted, progress: Progress) -> Outcome:
    """Train, choose, confirm; write the calibration into the cache only where the last of these improved.

    Whatever stops it before leaves everything as it was. Raises InvalidInput for a model without a memory to calibrate,
    or for too little text.
    """
    adapter = _adapter(loaded)
    wanted = replace(wanted, length=min(wanted.length, loaded.info.context_length))
    pieces = cut([loaded.tokenizer(text)["input_ids"] for text in texts], wanted)
    streams = Streams(loaded.model, adapter, loaded.info.context_length, wanted.setting)
    with _frozen(loaded.model):
        learner = Learner(wanted.rule, _shapes(loaded, adapter), maps=wanted.maps)
        for _ in train(streams, pieces.train, learner, wanted.setting, wanted.rates, wanted.target, progress):
            pass
        learned = learner.learned()
    told = _counted(progress, "choosing gates", (CANDIDATES + 1) * len(pieces.choose))
    best = choose(streams, pieces.choose, learned, wanted.setting, told)
    gates = sum(part.numel() for part in learned.gates)
    if best is None:
        return Outcome(None, "none", 0, gates)
    told = _counted(progress, "confirming", 3 * len(pieces.confirm) + 1)
    stranger = pieces.choose[0]
    gain, remembered = confirm(streams, pieces.confirm, stranger, best[0].calibration, wanted.setting, told)
    if not gain.sure:
        return Outcome(None, best[0].name, 0, gates, best[1], gain, remembered)
    calibrations = Calibrations(cache, fingerprint(loaded.recipe), adapter.banks)
    file = calibrations.write(Stored(best[0].calibration, about(wanted, best[0].name, gain, remembered)))
    return Outcome(file, best[0].name, _open(best[0].calibration), gates, best[1], gain, remembered)


def cut(texts: Sequence[Sequence[int]], wanted: Wanted) -> Pieces:
    """Pieces out of all texts in turn, up to the tokens wanted; the last sixths of them to choose and to confirm."""
    size = wanted.length + 1
    by_text = [[list(text[at : at + size]) for at in range(0, len(text) - size + 1, size)] for text in texts]
    pieces: list[list[int]] = []
    for turn in cycle(by_text):
        if len(pieces) * wanted.length >= wanted.tokens or not any(by_text):
            break
        pieces += [turn.pop(0)] if turn else []
    held = max(1, len(pieces) // 6)
    if len(pieces) < 3:
        raise InvalidInput(
            f"{sum(map(len, texts))} tokens of text are too few: at least three pieces of {size} tokens are needed, one "
            "to train on, one to choose the gates on and one to confirm them. Give more text, or more --tokens."
        )
    return Pieces(pieces[: -2 * held], pieces[-2 * held : -held], pieces[-held:])


def about(wanted: Wanted, candidate: str, gain: Gain, remembered: Gain) -> dict[str, Any]:
    """How a calibration was made, as plain values for its file."""
    setting = wanted.setting
    return {
        "tokens": wanted.tokens,
        "target": wanted.target,
        "window": setting.window,
        "block": setting.block,
        "sinks": setting.sinks,
        "candidate": candidate,
        "loss_before": gain.before,
        "loss_after": gain.after,
        "standard_error": gain.error,
        "remembered": remembered.mean,
        "remembered_standard_error": remembered.error,
    }


def _adapter(loaded: LoadedModel) -> CacheAdapter:
    if loaded.model.device.type != "cpu":
        raise InvalidInput(
            "Gates are learned on the CPU: the GPU's memory operations have no gradients. Hide the GPU "
            '(CUDA_VISIBLE_DEVICES="") and calibrate again; the calibration serves on the GPU too.'
        )
    adapter = make_engine(loaded)[0].adapter
    if not isinstance(adapter, CacheAdapter) or not adapter.hears or adapter.fixed:
        raise InvalidInput(
            f"{loaded.info.name} ({loaded.info.architecture}) keeps more than keys and values, or its attention cannot be "
            "listened to, so it has no Infini memory to calibrate. Use another summary backend with it."
        )
    return adapter


def _shapes(loaded: LoadedModel, adapter: CacheAdapter) -> list[tuple[int, int, int, int]]:
    heads = int(loaded.config.get_text_config(decoder=True).num_attention_heads)
    return [(len(b.layers), heads, b.heads, adapter.pools[b.slab].shape.dim) for b in adapter.banks]


@contextmanager
def _frozen(model: Any) -> Iterator[None]:
    """No gradients for the model's own weights."""
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, wanted in before:
            parameter.requires_grad_(wanted)


def _counted(progress: Progress, stage: str, total: int) -> Any:
    done = 0

    def told() -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    progress(stage, 0, total)
    return told


def _open(calibration: Calibration) -> int:
    return int(torch.stack([(gates > 0).sum() for gates in calibration.gates]).sum())
