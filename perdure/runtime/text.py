"""Tokens to text, piece by piece, and stop strings."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

CONTEXT = 4
"""Emitted tokens kept as context, so that a decoder knows it is not at the start of the text."""

HOLD = 8
"""Tokens after which a broken character is no longer expected to be mended."""

BROKEN = "\ufffd"
BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>\Z")


class Detokenizer:
    """Decodes one token after the other.

    After `flush` the pieces concatenate to what `tokenizer.decode` makes of all tokens, special ones skipped and spaces
    left alone, those of `shown` kept; no piece ends inside a character. The cost of a token does not depend on how many
    came before.
    """

    def __init__(self, tokenizer: Any, shown: Collection[str] = ()) -> None:
        backend = tokenizer.backend_tokenizer
        added = backend.get_added_tokens_decoder().items()
        self._skipped = frozenset(i for i, token in added if token.special and token.content not in shown)
        self._names = backend
        self._decoder: _Decoder = _ByteLevel() if _decoder_type(backend) == "ByteLevel" else _Windowed(backend)

    def push(self, token: int) -> str:
        """The text that this token completes; empty while a character or a run of byte tokens is unfinished."""
        if token in self._skipped:
            return ""
        name = self._names.id_to_token(token)
        return "" if name is None else self._decoder.push(token, name)

    def flush(self) -> str:
        """What is still held back, as the whole text ends with it. The next token starts a new text."""
        return self._decoder.flush()


def pieces(tokenizer: Any, tokens: Sequence[int]) -> list[str]:
    """The text that each token completes, control tokens by their names; joined they are the whole."""
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder().values()
    decoder = Detokenizer(tokenizer, [token.content for token in added])
    found = [decoder.push(token) for token in tokens]
    return [*found[:-1], found[-1] + decoder.flush()] if found else []


def token_bytes(tokenizer: Any, token: int) -> bytes:
    """What one token stands for, alone; empty for a number that is none."""
    backend = tokenizer.backend_tokenizer
    name = backend.id_to_token(token)
    if name is None or token in backend.get_added_tokens_decoder():
        return (name or "").encode()
    if _decoder_type(backend) == "ByteLevel":
        return bytes(BYTE_OF[char] for char in name) if all(char in BYTE_OF for char in name) else name.encode()
    return bytes([int(name[3:5], 16)]) if BYTE_TOKEN.match(name) else name.replace("\u2581", " ").encode()


class _Decoder(Protocol):
    def push(self, token: int, name: str) -> str: ...

    def flush(self) -> str: ...


class _ByteLevel:
    """Tokens that are strings of bytes, each byte written as one printable character."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int, name: str) -> str:
        try:
            data = bytes(BYTE_OF[char] for char in name)
        except KeyError:
            data = name.encode()
        return self._utf8.decode(data)

    def flush(self) -> str:
        rest = self._utf8.decode(b"", True)
        self._utf8.reset()
        return rest


class _Windowed:
    """Any other decoder: the difference between two decodings of a short window.

    A run of byte tokens is held until it ends, because one invalid byte changes how the whole run is written.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._context: list[int] = []
        self._held: list[int] = []

    def push(self, token: int, name: str) -> str:
        self._held.append(token)
        return "" if BYTE_TOKEN.match(name) else self._emit(HOLD)

    def flush(self) -> str:
        rest = self._emit(0) if self._held else ""
        self._context = []
        return rest

    def _emit(self, hold: int) -> str:
        window = self._context + self._held
        known, text = self._decode(self._context), self._decode(window)
        if text.endswith(BROKEN) and len(self._held) < hold:
            return ""
        self._context, self._held = window[-CONTEXT:], []
        return text[len(known) :]

    def _decode(self, tokens: list[int]) -> str:
        return str(self._backend.decode(tokens, skip_special_tokens=False)) if tokens else ""


def _decoder_type(backend: Any) -> str:
    decoder = backend.decoder
    return str(json.loads(decoder.__getstate__())["type"]) if decoder is not None else ""


def _byte_alphabet() -> dict[str, int]:
    """The inverse of GPT-2's byte alphabet: printable Latin-1 stands for itself, the rest for U+0100 onward."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


BYTE_OF = _byte_alphabet()


class Screened(NamedTuple):
    """Text that may be shown, and whether a stop string ended the answer."""

    text: str
    stopped: bool


class StopStrings:
    """Lets text through up to the first stop string, which is not part of it.

    Text that may be the start of a stop string is held back. What comes through does not depend on how the text was cut
    into pieces: the stop string that is completed first wins, the longest of those completed together.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self._stopped = False

    def push(self, text: str) -> Screened:
        if self._stopped:
            return Screened("", True)
        text = self._held + text
        ends = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            self._held, self._stopped = "", True
            return Screened(text[: min(ends)[1]], True)
        keep = self._unsure(text)
        self._held = text[len(text) - keep :]
        return Screened(text[: len(text) - keep], False)

    def flush(self) -> str:
        """What is held back, once no more text comes."""
        rest, self._held = self._held, ""
        return rest

    def _unsure(self, text: str) -> int:
        """Length of the longest end of `text` that begins a stop string."""
        longest = min(len(text), max(map(len, self._stops), default=1) - 1)
        return next((n for n in range(longest, 0, -1) if any(s.startswith(text[-n:]) for s in self._stops)), 0)
