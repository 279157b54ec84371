"""Which profiles a session mounts that a request makes, and which of those that are asked for are refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from .. import taught

log = logging.getLogger("perdure.http")


def at_first(history: taught.Ledgers, name: str, asked: Sequence[str] | None, usual: Sequence[str]) -> list[str]:
    """What a new session is to mount: what was asked for, or the usual profiles, as far as they are still there.

    Raises SessionNotFound, InvalidName or InvalidInput for what is asked for and cannot be mounted.
    """
    if asked is not None:
        require(history, name, asked)
        return list(dict.fromkeys(asked))
    others = [profile for profile in usual if profile != name]
    found = [profile for profile in others if history.exists(profile)]
    for profile in others:
        if profile not in found:
            log.warning("the profile %s is not there any more, so session %s does not mount it", profile, name)
    return found


def require(history: taught.Ledgers, name: str, profiles: Sequence[str]) -> None:
    """That a session can mount these profiles."""
    taught.require(history, name, profiles, hint=_hint)


def _hint(name: str) -> str:
    return f'POST /v1/sessions/SESSION/consolidate with {{"into": "{name}"}} makes it of what a session was told.'
