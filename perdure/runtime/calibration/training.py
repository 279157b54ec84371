"""Gates and maps learned on the loss of the language model's answers; the model's own weights stay as they are.

The target is the distribution that the same model foretells with full attention (distillation, arXiv 1503.02531): a
target for every token of the vocabulary instead of for the one that came, so that a few thousand tokens suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .learner import Learner
from .streams import STEP, Setting, Streams

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, what of it is done and its total."""


FULL, TEXT = "full-attention", "text"
TARGETS = (FULL, TEXT)
"""What is to be foretold: what the model foretells with full attention, or the token that came."""


class Rates(NamedTuple):
    """Adam's learning rates. No weight decay: it would open gates."""

    gates: float = 0.1
    maps: float = 1e-2


def train(
    streams: Streams,
    texts: Sequence[Sequence[int]],
    learner: Learner,
    setting: Setting,
    rates: Rates,
    target: str,
    progress: Progress,
) -> Iterator[float]:
    """One pass over the texts; the loss of each differentiated forward."""
    groups = [{"params": learner.betas, "lr": rates.gates}]
    maps = list(learner.maps())
    if maps:
        groups.append({"params": maps, "lr": rates.maps})
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.95))
    each = sum(1 for start in range(setting.first, len(texts[0]) - 1, STEP))
    total, done = each * len(texts), 0
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, total))
    for tokens in texts:
        learner.restart()
        for loss in _losses(streams, tokens, learner, setting, target):
            _descend(optimizer, loss)
            scheduler.step()
            done += 1
            progress("training", done, total)
            yield float(loss.detach())


def _losses(streams: Streams, tokens: Sequence[int], learner: Learner, setting: Setting, target: str) -> Iterator[Tensor]:
    """The losses to be descended, forward after forward."""
    steps = streams.steps(tokens, learner, grad_from=setting.first)
    if target == TEXT:
        yield from (step.losses.mean() for step in steps if step.start >= setting.first)
        return
    for wanted, step in zip(streams.steps(tokens, None), steps, strict=True):
        if step.start >= setting.first:
            yield _divergence(wanted.logits, step.logits)


def _divergence(wanted: Tensor, found: Tensor) -> Tensor:
    """The mean of KL(wanted || found) over tokens; logits [T, vocab]."""
    aim = torch.log_softmax(wanted, -1)
    return (aim.exp() * (aim - torch.log_softmax(found, -1))).sum(-1).mean()


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _rate(step: int, total: int) -> float:
    """Down to a tenth at the end."""
    return 1 - 0.9 * min(1.0, step / max(1, total))
