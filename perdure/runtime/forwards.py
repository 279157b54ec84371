"""One model's forwards over states, the short way where there is one; not thread safe."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from blake3 import blake3
from torch import Tensor
from torch.nn import Module

from .company import apart
from .composing import Opened, acting
from .lookahead import Ahead
from .state.base import State, StateAdapter
from .state.cache import inputs_of, rows_of
from .step import Step, proven

if TYPE_CHECKING:
    from .state.together import Together

Item = tuple[State, int] | tuple[State, int, Ahead]
"""A session's state, the token that it is to absorb, and what may come after that."""


class Boundary(NamedTuple):
    """What the model says after the last token it absorbed.

    `hidden` [1, 1, hidden] feeds the output head, or is None for a family whose logits are not a plain function of it;
    `logits` [vocab] are float32.
    """

    hidden: Tensor | None
    logits: Tensor

    @property
    def digest(self) -> bytes:
        """BLAKE3 of the float32 logits."""
        return blake3(self.logits.contiguous().numpy().tobytes()).digest()


class Forwards:
    """What a model says after tokens that states absorb, one or several at a time, on so many threads.

    Whoever calls sees to it that nobody else does, that there are no gradients, and that torch has the threads.
    """

    def __init__(self, model: Any, adapter: StateAdapter, threads: int) -> None:
        self._model = model
        self._head = model.get_output_embeddings()
        self._steps: dict[int, Step | None] = {}
        self._threads = threads
        self._keeps_one = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.adapter = adapter
        self._entering = (model.device, model.dtype) if self._head is None else _place_of(self._head.weight)
        self._projects = False

    def _single(self, state: State, tokens: Sequence[int], *, wants_logits: bool) -> Boundary | None:
        end = state.seen + len(tokens)
        self._ready(state, len(tokens))
        step = self._step_for([state])
        if step is not None and step.takes(len(tokens), self.adapter):
            return self._stepped(step, [(state, tokens[0])])[0] if len(tokens) == 1 else self._absorbed(step, state, tokens)
        out = self._run(state, [state.opened], inputs_of(self._target, tokens, state.position))
        state.seen = end
        return self._boundaries(out)[0] if wants_logits else None

    def _joint(self, items: Sequence[Item], layers: Sequence[Module]) -> list[Boundary]:
        states, tokens = [item[0] for item in items], [[item[1]] for item in items]
        for state in states:
            self._ready(state, 1)
        step = self._step_for(states)
        if step is not None:
            with apart(layers):
                return self._stepped(step, items)
        forward = self.adapter.together(states)
        try:
            inputs = rows_of(self._target, tokens, [state.position for state in states])
            with apart(layers):
                found = self._boundaries(self._run(forward, [state.opened for state in states], inputs))
        except BaseException:
            forward.undo()
            raise
        for state in states:
            state.seen += 1
        return found

    def _several(self, state: State, tokens: Sequence[int], layers: Sequence[Module]) -> list[Boundary]:
        self._ready(state, len(tokens))
        forward = self.adapter.ahead(state, len(tokens))
        places = [state.position + number for number in range(len(tokens))]
        step = self._step_for([state])
        with apart(layers):
            if step is not None:
                found = self._spoken(step.run(forward, tokens, places))
            else:
                inputs = rows_of(self._target, [[token] for token in tokens], places)
                found = self._boundaries(self._run(forward, [state.opened] * len(tokens), inputs))
        state.seen += 1
        return found

    def _stepped(self, step: Step, items: Sequence[Item]) -> list[Boundary]:
        """The same by the short way. All states are ready; after an exception none has absorbed its token."""
        states = [item[0] for item in items]
        forward = self.adapter.together(states)
        try:
            hidden = step.run(forward, [item[1] for item in items], [state.position for state in states])
            found = self._spoken(hidden)
        except BaseException:
            forward.undo()
            raise
        for state in states:
            state.seen += 1
        return found

    def _outcome(self, state: State, token: int) -> Boundary | Exception:
        try:
            found = self._single(state, [token], wants_logits=True)
        except Exception as error:
            return error
        return found or RuntimeError("a forward that was asked for logits gave none")

    def _absorbed(self, step: Step, state: State, tokens: Sequence[int]) -> Boundary:
        """A whole chunk of a prompt by the short way."""
        forward = self.adapter.prompt(state, len(tokens))
        try:
            hidden = step.run(forward, tokens, range(state.position, state.position + len(tokens)))
            found = self._spoken(hidden[-1:].clone())[0]
        except BaseException:
            forward.undo()
            raise
        state.seen += len(tokens)
        return found

    def _prepare(self) -> None:
        """Find out whether there is a short way for tokens one by one. The engine is taken."""
        if self._threads not in self._steps:
            self._steps[self._threads] = proven(self._model, self.adapter) if self._projects else None

    def _step_for(self, states: Sequence[State]) -> Step | None:
        """The short way, unless records act on linear layers."""
        if any(state.opened is not None and state.opened.factors for state in states):
            return None
        return self._steps.get(self._threads)

    @staticmethod
    def _ready(state: State, more: int) -> None:
        state.unpark()
        state.reserve(state.seen + more)

    def _run(self, forward: State | Together, opened: Sequence[Opened | None], inputs: dict[str, Any]) -> Any:
        spared = {"logits_to_keep": 1} if self._keeps_one and not self._projects else {}
        with acting(self._model.base_model, opened):
            return forward.run(self._target, {**inputs, **spared})

    @property
    def _target(self) -> Any:
        """What is run: without its head where that is a plain function of the last hidden state."""
        return self._model.base_model if self._projects else self._model

    def _boundaries(self, out: Any) -> list[Boundary]:
        """What the model says after the last token of each row."""
        if not self._projects:
            return [Boundary(None, logits) for logits in out.logits[:, -1].float().cpu()]
        # Strides that still tell of the other tokens would send the head the slow way: 75 ms instead of 4.
        return self._spoken(out.last_hidden_state[:, -1:].clone(memory_format=torch.contiguous_format))

    def _spoken(self, hidden: Tensor) -> list[Boundary]:
        """hidden [B, 1, hidden], of the last token of each row."""
        return [Boundary(row[None], logits) for row, logits in zip(hidden, self._logits(hidden), strict=True)]

    def _logits(self, hidden: Tensor) -> Tensor:
        """The head, and the scaling or capping that some families put behind it (Granite, Gemma 2, Griffin, xLSTM).

        hidden [B, 1, hidden] -> float32 [B, vocab], on the host.
        """
        config = self._model.config.get_text_config(decoder=True)
        step = self._steps.get(self._threads)
        hidden = hidden.to(*self._entering)
        logits = self._head(hidden) if step is None else step.head(hidden[:, 0])[:, None]
        if scaling := getattr(config, "logits_scaling", None):
            logits = logits / scaling
        if cap := _soft_cap(config):
            logits = torch.tanh(logits / cap) * cap
        last: Tensor = logits[:, -1].float().cpu()
        return last


def _place_of(tensor: Tensor) -> tuple[torch.device, torch.dtype]:
    return tensor.device, tensor.dtype


def _soft_cap(config: Any) -> float | None:
    names = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
    return next((value for name in names if (value := getattr(config, name, None))), None)
