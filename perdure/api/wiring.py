"""Where the interfaces get the parts below them; tests replace these functions.

Everything is imported inside the functions, so that a command which only reads the history never loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..config import STORED, CheckpointOptions, MemoryOptions, PagingOptions, Quota
from ..places import default_cache, default_store, user

if TYPE_CHECKING:
    from ..memory import Repository, merging
    from ..memory.amending import Merged
    from ..memory.episodes import Episode
    from ..memory.fastweights import Comparison, Record
    from ..runtime import Runtime, Session
    from ..runtime.consolidation import Consolidated
    from ..runtime.memories import Memories
    from .access.audit import Audit
    from .access.keyring import Keyring

EMBEDDED_MODEL = "smollm2-135m-instruct"

FEWEST_WORKERS = 4
"""Requests that a server runs at once at least."""

Progress = Callable[[int, int], None]
"""Called with what is done and the total."""

Stages = Callable[[str, int, int], None]
"""Called with the name of a stage, what of it is done and its total."""


class PulledModel(NamedTuple):
    name: str
    path: str
    bytes: int
    terms: str = ""


def store_path(named: Path | None) -> Path:
    """The folder that was asked for, else the one that `perdure.open` takes."""
    return default_store() if named is None else named.expanduser()


def open_repository(named: Path | None, *, create: bool = False) -> Repository:
    """The history alone. Without `create` a missing store is an error, so that a typing mistake makes none."""
    from ..memory import Repository

    return Repository.open(store_path(named), create=create)


def open_access(named: Path | None) -> tuple[Keyring, Audit]:
    """The keys and the audit log of a store, both made when they are first written to."""
    from .access.audit import Audit
    from .access.keyring import Keyring

    return Keyring(store_path(named)), Audit(store_path(named))


def quota_of(keyring: Keyring, tenant: str, changes: Mapping[str, int | None]) -> Quota:
    """What a tenant may have, after some of it was changed."""
    from .access.keys import checked_tenant

    quota = replace(keyring.quota(checked_tenant(tenant)), **changes)
    if changes:
        keyring.set_quota(tenant, quota)
    return quota


def open_runtime(
    model: str,
    named: Path | None,
    *,
    weights: str = STORED,
    checkpoint_bytes: int | None = None,
    memory: MemoryOptions | None = None,
    device_bytes: int | None = None,
    speculate: bool = True,
    progress: Progress | None = None,
) -> Runtime:
    """A loaded model over a store, which is made where there is none."""
    from ..runtime import open as open_model

    keep = CheckpointOptions() if checkpoint_bytes is None else CheckpointOptions(budget_bytes=checkpoint_bytes)
    return open_model(
        model,
        store_path(named),
        weights=weights,
        cache=cache_path(),
        checkpoints=keep,
        memory=memory,
        paging=PagingOptions(device_bytes),
        speculate=speculate,
        progress=_within(progress),
    )


def open_memories(repository: Repository) -> Memories:
    """What finds memories without a language model."""
    from ..runtime import encoder
    from ..runtime.memories import Memories

    return Memories(repository, lambda: encoder.load(cache_path()))


def amend(repository: Repository, session: str, name: str, action: str) -> Episode:
    """Pin, unpin or forget a memory, without a model."""
    from ..memory import amending

    if action == "forget":
        return amending.forget(repository, session, name, author=user())
    return amending.pin(repository, session, name, action == "pin", author=user())


def mount(repository: Repository, session: str, names: Sequence[str]) -> None:
    """Have the ledgers of these branches, and no others, count in a session, without a model."""
    from ..memory import amending

    amending.mount(repository, session, names, author=user())


def describe(repository: Repository, session: str, changes: Mapping[str, Any], expected: bytes | None) -> None:
    """Change what is said of a session, without a model."""
    from ..memory import amending

    amending.describe(repository, session, changes, expected=expected, author=user())


def merge(repository: Repository, into: str, other: str) -> Comparison:
    """Bring one ledger into another, without a model; what set them apart before."""
    from ..memory import amending

    return amending.merge(repository, into, other, author=user())


def merge_branch(
    repository: Repository,
    into: str,
    rev: str,
    *,
    theirs: bool = False,
    prefer: str | None = None,
    dry_run: bool = False,
    expected: bytes | None = None,
) -> Merged:
    """Merge a revision into a branch, without a model."""
    from ..memory import amending, merging

    choice = merging.Choice("theirs" if theirs else "ours", cast("merging.Side | None", prefer))
    return amending.merge_branch(repository, into, rev, choice, dry_run=dry_run, expected=expected, author=user())


def unteach(repository: Repository, name: str, record: str) -> Record:
    """Take a record out of a ledger, without a model."""
    from ..memory import amending

    return amending.unteach(repository, name, record, author=user())


def consolidate(
    session: Session,
    into: str | None,
    *,
    writer: str | None = None,
    again: bool = False,
    progress: Progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Consolidated:
    """Write what the user of a session said into fast weights."""
    from ..runtime.consolidation import consolidate

    return consolidate(session, into, writer=writer, again=again, progress=progress, cancelled=cancelled)


def read_document(path: Path) -> list[tuple[str, str]]:
    """The parts of a file, (title, text) each."""
    from ..runtime import documents

    return [(part.title, part.text) for part in documents.read(path)]


def parse_document(data: bytes, name: str) -> list[tuple[str, str]]:
    """The parts of a document whose bytes are given, (title, text) each."""
    from ..runtime import documents

    return [(part.title, part.text) for part in documents.parse(data, name)]


def _within(progress: Progress | None) -> Stages | None:
    """Stages told to a bar that has but one."""
    return None if progress is None else lambda _stage, done, total: progress(done, total)


def cache_path() -> Path:
    """Where pulled models lie."""
    return default_cache()


def pull_model(name: str, *, accept_terms: bool = False, progress: Stages | None = None) -> Path:
    """The folder of a model, fetched where it is not here yet."""
    from ..runtime.pull import pull

    return pull(name, cache_path(), progress, accept_terms=accept_terms)


def companions(model: str) -> tuple[str, ...]:
    """What belongs on a machine beside a model, by name."""
    from ..runtime.catalogue import companions

    return companions(model)


def pulled_models() -> list[PulledModel]:
    """What `pull` has brought here, by name."""
    return [_pulled(folder) for folder in sorted((cache_path() / "models").glob("[!.]*/"))]


def model_folder(name: str | None) -> Path | None:
    """Where a model lies that `pull` has brought here; None for any other, since a name from a bundle is no path."""
    from ..runtime.catalogue import find, folder_name

    entry = None if name is None else find(name)
    folder = cache_path() / "models" / folder_name(entry.name if entry else name or "")
    return folder if folder.is_dir() else None


def _pulled(folder: Path) -> PulledModel:
    from ..runtime.catalogue import find

    name = folder.name.replace("--", "/")
    entry = find(name)
    terms = entry.terms.name if entry is not None and entry.terms is not None else ""
    return PulledModel(name, str(folder), _folder_size(folder), terms)


def _folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Serving(NamedTuple):
    """How a server shares the machine. None leaves what fits it.

    `hot_bytes` bounds the working states in memory; `workers` requests run at once, and `queue` wait. With `inspector` the
    pages at /ui are there.
    """

    hot_bytes: int | None = None
    workers: int | None = None
    queue: int | None = None
    keep_alive: float | None = None
    inspector: bool = True


def spare_memory() -> None:
    """Have this process keep less of what its threads free; to be called before a server's first thread begins."""
    from .http.trimming import one_arena

    one_arena()


def serve(
    runtime: Runtime,
    host: str,
    port: int,
    *,
    insecure: bool,
    consolidate_idle: float | None,
    profiles: tuple[str, ...],
    cors_origins: tuple[str, ...],
    serving: Serving,
    started: Callable[[str], None],
    told: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Answer HTTP requests until the process is told to stop; `started` gets the URL, `told` what may run at once."""
    from . import capacity
    from .http import HttpSettings
    from .http import serve as serve_http
    from .http.settings import QUEUE

    runtime.prepare()
    hot = capacity.hot_bytes(runtime.residence.bound) if serving.hot_bytes is None else serving.hot_bytes
    runtime.keep_within(hot)
    together = runtime.engine.together
    settings = HttpSettings(
        consolidate_idle=consolidate_idle,
        profiles=profiles,
        cors_origins=cors_origins,
        # Twice as many as share a forward, so that the next ones are there when some have ended.
        workers=serving.workers or max(FEWEST_WORKERS, 2 * together),
        queue=QUEUE if serving.queue is None else serving.queue,
        keep_alive=serving.keep_alive,
        inspector=serving.inspector,
    )
    told(capacity.sentence(settings.workers, settings.queue, together, hot))
    serve_http(runtime, host, port, insecure=insecure, settings=settings, started=started)


def serve_mcp(store: Path | None, load: Callable[[], Runtime]) -> None:
    """Answer an agent on standard input until it goes; `load` gives the model when it is first needed."""
    from .mcp.stdio import serve

    serve(store, load)


def measure_resume(runtime: Runtime, *, progress: Progress | None = None) -> Sequence[Mapping[str, Any]]:
    """Rows of the quick measurement: the same members in each, in the order in which a table shows them."""
    from ..runtime.bench import quick

    return quick(runtime, progress=progress)
