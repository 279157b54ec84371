"""`perdure calibrate`: train the gates of a model's Infini memory on plain text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import InvalidInput
from .. import wiring
from .boundary import say
from .options import Debug, Json
from .output import Step, print_json

if TYPE_CHECKING:
    from ...runtime.calibration import Outcome


def calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model known by name, a hub id or a local folder.")],
    text: Annotated[
        list[Path] | None, typer.Option("--text", help="Plain text to learn from; give it several times.")
    ] = None,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="How much of the text to use.")] = 49_152,
    target: Annotated[
        str, typer.Option("--target", help="What to foretell: what full attention foretells (full-attention), or text.")
    ] = "full-attention",
    rule: Annotated[str, typer.Option("--rule", help="How the memory is written: linear or delta.")] = "linear",
    maps: Annotated[bool, typer.Option("--maps/--no-maps", help="Learn maps of keys and queries beside the gates.")] = True,
    window: Annotated[int, typer.Option("--window", help="Tokens that stay exact while it learns.")] = 512,
    block: Annotated[int, typer.Option("--block", help="Tokens that leave the window at once.")] = 256,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train the gates of the infini memory. They open only where held-out text is foretold better."""
    if not text:
        raise InvalidInput("There is no text to learn from; give some with --text FILE, any plain text will do.")
    texts = [_read(file) for file in text]
    with Step(f"calibrating {model}") as progress:
        outcome = _learn(model, texts, progress, rule=rule, maps=maps, tokens=tokens, target=target, setting=(window, block))
    print_json(_shape(outcome)) if json else _tell(outcome)


def _learn(model: str, texts: list[str], progress: Step, *, setting: tuple[int, int], **wanted: Any) -> Outcome:
    from ...runtime.calibration import Setting, Wanted, calibrate
    from ...runtime.models import resolve
    from ...runtime.runtime import load_model, model_name

    what = Wanted(**wanted, setting=Setting(*setting))
    cache = wiring.cache_path()
    folder = resolve(model, cache)
    loaded = load_model(folder, model_name(model, folder), cache=cache)
    return calibrate(loaded, cache, texts, what, progress.stage)


def _read(file: Path) -> str:
    try:
        return file.expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error


def _tell(outcome: Outcome) -> None:
    gain = outcome.confirmed
    if gain is None:
        say("No gate improved the text they were chosen on, so all stay closed; nothing was written.")
    elif outcome.file is None:
        say(f"{_perplexities(outcome)}, which may be luck. All gates stay closed; nothing was written.")
    else:
        typer.echo(f"{outcome.open} of {outcome.gates} gates are open. {_perplexities(outcome)}.")
        if outcome.remembered is not None:
            kept, error = outcome.remembered.mean, outcome.remembered.error
            typer.echo(f"Against the memory of another text the loss is {-kept:+.4f} (standard error {error:.4f}).")
        typer.echo(f"Written to {outcome.file}")


def _perplexities(outcome: Outcome) -> str:
    gain = outcome.confirmed
    assert gain is not None
    return (
        f"Held-out perplexity went from {math.exp(gain.before):.3f} to {math.exp(gain.after):.3f} "
        f"(loss {-gain.mean:+.4f} with a standard error of {gain.error:.4f})"
    )


def _shape(outcome: Outcome) -> dict[str, Any]:
    gain = outcome.confirmed
    return {
        "file": None if outcome.file is None else str(outcome.file),
        "candidate": outcome.candidate,
        "open_gates": outcome.open,
        "gates": outcome.gates,
        "perplexity_before": None if gain is None else math.exp(gain.before),
        "perplexity_after": None if gain is None else math.exp(gain.after),
        "loss_gain": None if gain is None else gain.mean,
        "standard_error": None if gain is None else gain.error,
        "remembered": None if outcome.remembered is None else outcome.remembered.mean,
    }
