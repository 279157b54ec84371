"""The recipe: everything that decides the bits of a computed state, part by part, so that a refusal names the part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack
from blake3 import blake3

from ..errors import InvalidInput, RecipeMismatch
from ..stores.base import Digest

if TYPE_CHECKING:
    import torch

DOMAIN = "perdure recipe 1"

STATE_FORMAT = "2"
"""Version of the code that lays out computed state."""

PARTS: Mapping[str, str] = {
    "weights": "the model's weights",
    "config": "the model's configuration",
    "tokenizer": "the tokenizer",
    "chat_template": "the chat template",
    "dtype": "the number type",
    "attention": "the attention implementation",
    "grid": "the prefill grid",
    "adapters": "the adapters in force",
    "format": "the state format",
    "device": "the device",
    "threads": "the number of threads",
    "capability": "the processor's instruction set",
    "torch": "the torch version",
    "transformers": "the transformers version",
}
"""Every part of a recipe, in the order in which differences are reported."""

OPTIONAL: Mapping[str, str] = {
    "quantisation": "the quantisation of the weights",
    "rows": "the way of single rows through the model",
}
"""Parts that a recipe has only where they say something, so that the others are what they were before these came."""

DIGESTS = frozenset({"weights", "config", "tokenizer", "chat_template"})
SHORT = 12


class Difference(NamedTuple):
    """One part that two recipes do not share."""

    field: str
    stored: str
    present: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """An ordered map of part to value, both strings. Equal recipes on one machine compute equal bits.

    Build it with `Recipe.of`; read a part with `recipe["dtype"]`. Parts that a newer Perdure knows and this one does
    not are kept and compared like the others.
    """

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, **parts: str) -> Recipe:
        """A recipe with the parts in `PARTS`, perhaps `OPTIONAL` ones; raises InvalidInput on a missing or unknown one."""
        missing, unknown = PARTS.keys() - parts.keys(), parts.keys() - PARTS.keys() - OPTIONAL.keys()
        if missing or unknown:
            names = ", ".join(sorted(missing | unknown))
            raise InvalidInput(f"A recipe has the parts {', '.join(PARTS)}; missing or unknown here: {names}.")
        return cls._ordered(parts)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_meta` wrote, perhaps by another version of Perdure."""
        if not all(isinstance(key, str) and isinstance(value, str) for key, value in meta.items()):
            raise InvalidInput("A stored recipe must map strings to strings; this one is damaged or not a recipe.")
        return cls._ordered(meta)

    @classmethod
    def _ordered(cls, parts: Mapping[str, str]) -> Recipe:
        known = [name for name in PARTS if name in parts]
        return cls(tuple((name, parts[name]) for name in (*known, *sorted(parts.keys() - PARTS.keys()))))

    def to_meta(self) -> dict[str, str]:
        return dict(self.parts)

    def replace(self, **parts: str) -> Recipe:
        """The same recipe with some parts changed."""
        return Recipe.of(**{**self.to_meta(), **parts})

    def __getitem__(self, name: str) -> str:
        return self.to_meta()[name]

    @property
    def digest(self) -> Digest:
        return content_digest(DOMAIN, sorted(self.parts))

    @property
    def hex(self) -> str:
        return self.digest.hex()

    def difference(self, other: Recipe) -> list[Difference]:
        """The parts in which `self` (stored) and `other` (present) differ, the weightiest first."""
        stored, present = self.to_meta(), other.to_meta()
        return [
            Difference(name, stored.get(name, ""), present.get(name, ""))
            for name in _all_names(stored, present)
            if stored.get(name, "") != present.get(name, "")
        ]

    def require_same(self, other: Recipe) -> None:
        """Raises RecipeMismatch naming the first part in which `other` (present) differs from this one (stored)."""
        differences = self.difference(other)
        if differences:
            first = differences[0]
            raise RecipeMismatch(
                _refusal(first, len(differences) - 1), field=first.field, stored=first.stored, present=first.present
            )


def _all_names(stored: Mapping[str, str], present: Mapping[str, str]) -> Iterator[str]:
    yield from PARTS
    yield from sorted((stored.keys() | present.keys()) - PARTS.keys())


def _refusal(first: Difference, others: int) -> str:
    what = {**PARTS, **OPTIONAL}.get(first.field, f"the part {first.field!r} of the recipe")
    more = f" ({others} more {'part differs' if others == 1 else 'parts differ'} too)" if others else ""
    return (
        f"The stored state cannot be continued: {what} {'have' if first.field == 'weights' else 'has'} changed. "
        f"It was computed with {_shown(first.field, first.stored)}, the present model runs with "
        f"{_shown(first.field, first.present)}{more}. Load the model as it was, or open the session with --as-text, "
        "which prefills the conversation again with the present model."
    )


def _shown(name: str, value: str) -> str:
    if not value:
        return "none"
    return f"digest {value[:SHORT]}" if name in DIGESTS else value


def content_digest(domain: str, value: Any) -> Digest:
    """BLAKE3 of a value of strings, numbers, lists and maps, the same for equal values whatever the maps' order."""
    return blake3(msgpack.packb([domain, _canonical(value)], use_bin_type=True)).digest()


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {"map": [[str(key), _canonical(value[key])] for key in sorted(value, key=str)]}
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_canonical(item) for item in value), key=str)
    return value if value is None or isinstance(value, (bool, int, float, str, bytes)) else str(value)


def weights_digest(tensors: Iterable[tuple[str, torch.Tensor]]) -> Digest:
    """BLAKE3 over the sorted (name, dtype, shape, content digest) of the tensors; tied ones count once."""
    seen: set[tuple[int, tuple[int, ...], tuple[int, ...]]] = set()
    lines = []
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        place = (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()))
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        lines.append([name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape), _content(tensor)])
    return content_digest("perdure weights 1", lines)


def _content(tensor: torch.Tensor) -> Digest:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    hasher = blake3(max_threads=blake3.AUTO)
    hasher.update(flat.view(torch.uint8).numpy().data)
    return hasher.digest()
