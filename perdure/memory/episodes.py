"""Episodes: what the episodic tier remembers, one message-sized piece of text each, with its meaning as a vector."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ObjectCorrupt
from ..stores.base import Digest, Object
from .tokenlog import pack, unpack
from .tree import Gets, Puts

KIND = "episode"

_META: dict[str, type] = {
    "id": str,
    "role": str,
    "source": str,
    "turn": int,
    "start": int,
    "end": int,
    "part": int,
    "parts": int,
    "origin": bytes,
    "time_ms": int,
    "encoder": str,
    "embedding": bytes,
    "lineage": bytes,
    "pinned": bool,
    "tokens": bytes,
}

_ACCENTS = dict.fromkeys(range(0x300, 0x370))
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORDS = re.compile(f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}]+")
_FIRST_UNSPACED = re.compile(f"[{_UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Episode:
    """One remembered piece of a message or document.

    `id` is 16 hex digits that stay when the episode is edited. `role` is "user", "assistant", "system", "tool" or
    "document", `source` the uid of the session whose conversation the text is from, or the name of a document. It was said
    in turn `turn`, on tokens [start, end) of that session's log (0 and (0, 0) for documents), as piece `part` of `parts`
    of its message; `origin` is the commit that held the message (b"": none).

    `embedding` is the L2-normalised sentence vector, float16 little-endian, made by the encoder whose identity `encoder`
    is. `lineage` identifies the KV of `tokens` encoded alone (b"": none) and `kv` is the object that holds it. `digest`
    names the stored object; it is b"" before the episode was stored.
    """

    id: str
    text: str
    role: str
    source: str
    turn: int
    start: int
    end: int
    part: int
    parts: int
    origin: Digest
    time_ms: int
    encoder: str
    embedding: bytes
    lineage: Digest
    tokens: tuple[int, ...]
    kv: Digest | None
    pinned: bool = False
    digest: Digest = b""


def put(txn: Puts, episode: Episode) -> Digest:
    """Store an episode (its `digest` is not part of it) and return its digest."""
    meta = {name: getattr(episode, name) for name in _META} | {"tokens": pack(episode.tokens)}
    refs = [] if episode.kv is None else [episode.kv]
    return txn.put(KIND, episode.text.encode(), refs=refs, meta=meta)


def get(txn: Gets, digest: Digest) -> Episode:
    """The episode stored under a digest. Raises ObjectMissing, or ObjectCorrupt where the object is no episode."""
    found = txn.get(digest)
    if not _sound(found):
        raise ObjectCorrupt(f"Object {digest.hex()[:12]} is not an episode.", digest=digest)
    meta: dict[str, Any] = dict(found.meta)
    tokens = unpack(meta.pop("tokens"))
    try:
        text = bytes(found.payload).decode()
    except UnicodeDecodeError as error:
        raise ObjectCorrupt(f"The text of episode {digest.hex()[:12]} is not UTF-8.", digest=digest) from error
    return Episode(text=text, tokens=tokens, kv=found.refs[0] if found.refs else None, digest=digest, **meta)


def _sound(found: Object) -> bool:
    if found.kind != KIND or len(found.refs) > 1 or {name: type(value) for name, value in found.meta.items()} != _META:
        return False
    return len(found.meta["embedding"]) % 2 == 0 and len(found.meta["tokens"]) % 4 == 0


def vector(episode: Episode) -> NDArray[np.float32]:
    """The sentence vector, float32 [d]."""
    return np.frombuffer(episode.embedding, dtype="<f2").astype(np.float32)


def pack_vector(values: NDArray[np.float32]) -> bytes:
    """A sentence vector as `Episode.embedding` keeps it."""
    return values.astype("<f2").tobytes()


def terms(text: str) -> list[str]:
    """The words and numbers of a text, for lexical search, in order and with repetitions.

    A term is a run of letters and digits, folded by case, compatibility forms and the accents of Latin, Greek and
    Cyrillic ("Malmö" is "malmo"). Names with inner marks ("A-4512", "3.14") give their parts, all of which a text with the
    same name has. No stop words and no stemming: both belong to one language, and rarity already tells what matters.
    Scripts that put no spaces between words (Han, kana, Thai, Lao) give overlapping pairs of characters.
    """
    found = _WORDS.findall(_fold(text))
    return [term for word in found for term in (_pairs(word) if _FIRST_UNSPACED.match(word) else (word,))]


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    bare = unicodedata.normalize("NFKD", text).translate(_ACCENTS)
    return unicodedata.normalize("NFKC", bare).casefold()


def _pairs(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(max(1, len(word) - 1))]
