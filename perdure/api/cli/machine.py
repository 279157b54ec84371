"""Commands about this machine: its models, its server, its speed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...config import MemoryOptions
from ...errors import PerdureError
from .. import wiring
from ..figures import size
from . import shapes
from .boundary import say
from .memory_options import takes_memory_options
from .mounting import require_profiles, tell_foreign
from .options import EMBEDDED_MODEL, STORED, CheckpointBytes, Debug, Json, Model, Speculate, Store, Weights
from .output import Step, print_json, print_table, styled
from .render import plain_table

if TYPE_CHECKING:
    from ...runtime import Runtime


@contextmanager
def running(model: str, store: Path | None, **options: Any) -> Iterator[Runtime]:
    """A loaded model over the store, and what opening it had to mend on stderr."""
    with Step(f"loading {model}") as progress:
        runtime = wiring.open_runtime(model, store, progress=progress, **options)
    with runtime:
        for note in [*runtime.repository.notes, *runtime.notes]:
            say(note)
        yield runtime


def pull(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A model known by name, a hub id or a local folder.")],
    accept_terms: Annotated[
        bool,
        typer.Option("--accept-terms", "--accept-licence", help="Agree to the terms of a model whose licence has some."),
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring a model onto this machine. One that is here already is left as it is."""
    with Step(f"pulling {model}") as progress:
        path = wiring.pull_model(model, accept_terms=accept_terms, progress=progress.stage)
    for companion in wiring.companions(model):
        _pull_companion(companion)
    print_json({"name": model, "path": str(path)}) if json else typer.echo(f"{model} is ready.")


def _pull_companion(name: str) -> None:
    """Bring what a model is better with; the model works without it, so a failure is said and no more."""
    try:
        with Step(f"pulling {name}") as progress:
            wiring.pull_model(name, progress=progress.stage)
    except PerdureError as error:
        say(f"{error} Chatting works without {name}; recall does not.")


def models(json: Json = False, debug: Debug = False) -> None:
    """List the models on this machine."""
    found = wiring.pulled_models()
    if json:
        print_json({"models": [shapes.model(model) for model in found]})
        return
    if not found:
        say(f"No models here yet; `perdure pull {EMBEDDED_MODEL}` brings the embedded one.")
        return
    table = plain_table("NAME", "SIZE", "TERMS", "PATH", right={1})
    for model in found:
        table.add_row(styled(model.name, "bold"), size(model.bytes), model.terms, styled(model.path, "dim"))
    print_table(table)


@takes_memory_options
def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="The port; 0 takes a free one.")] = 8400,
    insecure: Annotated[bool, typer.Option("--insecure", help="Let other machines in without a key.")] = False,
    consolidate_idle: Annotated[
        float | None,
        typer.Option(
            "--consolidate-idle",
            metavar="SECONDS",
            min=0,
            envvar="PERDURE_CONSOLIDATE_IDLE",
            show_default=False,
            help="Consolidate a session that was spoken to and then left alone for so long; without it none is.",
        ),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Have the sessions that are made here know what this profile knows; may be given again.",
            show_default=False,
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--cors-origin",
            metavar="ORIGIN",
            help="Let pages of this origin (https://app.example) use the server; without it no other page may. "
            "May be given again.",
            show_default=False,
        ),
    ] = None,
    hot_bytes: Annotated[
        int | None,
        typer.Option(
            "--hot-bytes",
            metavar="BYTES",
            min=1,
            envvar="PERDURE_HOT_BYTES",
            show_default=False,
            help="Most memory for the working states of all sessions; without it half of what is free.",
        ),
    ] = None,
    device_bytes: Annotated[
        int | None,
        typer.Option(
            "--device-bytes",
            metavar="BYTES",
            min=0,
            envvar="PERDURE_DEVICE_BYTES",
            show_default=False,
            help="Most of that on a GPU, when nobody uses it; without it four fifths of what the GPU has free.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            max=256,
            show_default=False,
            help="Requests that are answered at once; without it twice as many as share a forward.",
        ),
    ] = None,
    queue: Annotated[
        int | None,
        typer.Option("--queue", min=0, show_default=False, help="Requests that may wait for that; without it 256."),
    ] = None,
    keep_alive: Annotated[
        float | None,
        typer.Option(
            "--keep-alive",
            metavar="SECONDS",
            min=0,
            show_default=False,
            help="How long a session stays in memory after an answer; without it until others need the room.",
        ),
    ] = None,
    inspector: Annotated[
        bool, typer.Option("--ui/--no-ui", help="Have the pages at /ui that show and change memory.")
    ] = True,
    model: Model = EMBEDDED_MODEL,
    weights: Weights = STORED,
    checkpoint_bytes: CheckpointBytes = None,
    memory: MemoryOptions | None = None,
    speculate: Speculate = True,
    store: Store = None,
    debug: Debug = False,
) -> None:
    """Serve the OpenAI-compatible HTTP interface, and the inspector's pages, until Ctrl-C."""
    wiring.spare_memory()
    profiles = tuple(dict.fromkeys(profile or ()))
    require_profiles(store, None, profiles)
    options = {
        "weights": weights,
        "checkpoint_bytes": checkpoint_bytes,
        "memory": memory,
        "device_bytes": device_bytes,
        "speculate": speculate,
    }
    with running(model, store, **options) as runtime:
        tell_foreign(runtime, profiles)
        wiring.serve(
            runtime,
            host,
            port,
            insecure=insecure,
            consolidate_idle=consolidate_idle,
            profiles=profiles,
            cors_origins=tuple(cors_origin or ()),
            serving=wiring.Serving(hot_bytes, workers, queue, keep_alive, inspector),
            started=lambda url: say(
                f"{model} answers at {url}/v1" + (f", its memory is shown at {url}/ui/" if inspector else "")
            ),
            told=say,
        )


def bench(model: Model = EMBEDDED_MODEL, weights: Weights = STORED, json: Json = False, debug: Debug = False) -> None:
    """Measure how fast a chat resumes, on a store of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder,
        running(model, Path(folder), weights=weights) as runtime,
    ):
        with Step("measuring") as progress:
            rows = wiring.measure_resume(runtime, progress=progress)
        name = runtime.model.name
    if json:
        print_json({"model": name, "rows": [dict(row) for row in rows]})
        return
    heads = list(rows[0]) if rows else []
    table = plain_table(*heads, right=set(range(1, len(heads))))
    for row in rows:
        table.add_row(*(f"{value:.1f}" if isinstance(value, float) else str(value) for value in row.values()))
    print_table(table)
