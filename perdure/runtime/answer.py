"""Putting an answer together from sampled tokens: text, stop tokens, stop strings. The same for live turns and replays."""

from __future__ import annotations

from ..config import Sampling
from .models import LoadedModel
from .text import Detokenizer, StopStrings


class Answer:
    """Collects one answer. `push` says what text a token adds; `reason` is set once the answer is complete.

    A stop token ends the answer and is not fed to the model: the template writes it when the conversation goes on.
    """

    def __init__(self, loaded: LoadedModel, settings: Sampling) -> None:
        self._stops = loaded.chat.stop_tokens
        calls = loaded.chat.calls
        self._text = Detokenizer(loaded.tokenizer, () if calls is None else calls.marks)
        self._screen = StopStrings((*settings.stop, *loaded.chat.stop_strings))
        self._room = settings.max_tokens
        self._pieces: list[str] = []
        self.tokens: list[int] = []
        self.ended_with: int | None = None
        self.reason = ""

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def push(self, token: int) -> str:
        """Take one sampled token; returns the text that it lets through."""
        if token in self._stops:
            self.ended_with, self.reason = token, "stop"
            return ""
        self.tokens.append(token)
        shown, stopped = self._screen.push(self._text.push(token))
        self._pieces.append(shown)
        if stopped:
            self.reason = "stop"
        elif len(self.tokens) >= self._room:
            self.reason = "length"
        return shown

    def flush(self) -> str:
        """What was held back, once nothing more comes."""
        rest = self._text.flush()
        held = (
            self._screen.push(rest).text + self._screen.flush()
            if self.reason != "stop" or self.ended_with is not None
            else ""
        )
        self._pieces.append(held)
        return held
