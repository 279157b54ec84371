"""Every error Perdure raises on purpose.

    PerdureError
    ├── InvalidInput (ValueError)         a name, revision, prompt, option or file that cannot be used as given
    │   ├── InvalidName                   a session or tag name outside the allowed alphabet
    │   ├── PromptTooLong                 more tokens than the model's context has room for
    │   └── MalformedBundle               a bundle that is truncated, damaged or not a bundle at all
    ├── NotFound (LookupError)            something named does not exist
    │   ├── SessionNotFound
    │   ├── RevisionNotFound              no branch, tag or commit by that name
    │   └── ModelNotFound                 the model has not been pulled
    ├── Conflict                          the request is sound, the present state forbids it
    │   ├── SessionExists
    │   ├── SessionBusy                   another writer holds the session's lease
    │   ├── AmbiguousRevision             a hash prefix that names several commits
    │   ├── RefChanged                    a compare-and-swap lost its race
    │   ├── RecipeMismatch                the state was computed by another model, dtype, tokenizer or build
    │   ├── HistoryDiverged               the client's history contradicts the session's
    │   ├── QuotaExceeded                 a tenant has all the sessions or bytes that it may have
    │   └── MergeConflict                 two branches changed the same memory or record
    ├── Overloaded                        more is asked for at once than there is room for; later there will be
    ├── OverBudget                        one conversation alone needs more memory than all may have
    ├── StoreError (OSError)              the disk, or what is on it
    │   ├── StoreFull                     no space left, or the quota is reached
    │   ├── StoreUnreadable               no permission, not a store, or not a directory
    │   ├── StoreVersion                  written by a newer Perdure
    │   ├── StoreDamaged                  the database itself is broken; fsck --repair rebuilds it
    │   ├── ObjectMissing
    │   └── ObjectCorrupt                 a record whose checksum does not match
    └── ServiceError                      a server that a client asked failed, or refused for a reason of its own
        └── Unreachable (ConnectionError) no answer: it is not there, the connection broke, or it took too long

Each message says what happened, to which thing, and what to do about it. `code` is stable and machine-readable, `status`
is the HTTP status and `exit_code` the process status that fit.
"""

from __future__ import annotations

from typing import Any, ClassVar


class PerdureError(Exception):
    """Base of all errors that Perdure raises on purpose."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class InvalidInput(PerdureError, ValueError):
    """A value that cannot be used as given."""

    code = "invalid_input"
    status = 422
    exit_code = 2


class InvalidName(InvalidInput):
    """A session or tag name outside the allowed alphabet."""

    code = "invalid_name"


class PromptTooLong(InvalidInput):
    """More tokens than the model's context has room for."""

    code = "context_length_exceeded"
    status = 400


class MalformedBundle(InvalidInput):
    """A bundle that is truncated, damaged or no bundle at all."""

    code = "malformed_bundle"


class NotFound(PerdureError, LookupError):
    """Something named does not exist."""

    code = "not_found"
    status = 404
    exit_code = 3


class SessionNotFound(NotFound):
    """No session has this name."""

    code = "session_not_found"


class RevisionNotFound(NotFound):
    """No branch, tag or commit answers to this revision."""

    code = "revision_not_found"


class ModelNotFound(NotFound):
    """The model is not on this machine."""

    code = "model_not_found"


class Conflict(PerdureError):
    """The request is sound, but the present state forbids it."""

    code = "conflict"
    status = 409
    exit_code = 4


class SessionExists(Conflict):
    """A session of this name exists already."""

    code = "session_exists"


class SessionBusy(Conflict):
    """Another writer holds the session's lease."""

    code = "session_busy"


class AmbiguousRevision(Conflict):
    """A hash prefix that names several commits."""

    code = "ambiguous_revision"


class RefChanged(Conflict):
    """The ref moved between reading and writing it."""

    code = "ref_changed"


class RecipeMismatch(Conflict):
    """The stored state was computed by another recipe; `field`, `stored` and `present` say which part differs."""

    code = "recipe_mismatch"

    def __init__(self, message: str, *, field: str = "", stored: str = "", present: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.stored = stored
        self.present = present


class HistoryDiverged(Conflict):
    """The client's history contradicts the session's."""

    code = "history_diverged"


class QuotaExceeded(Conflict):
    """A tenant has all that it may have."""

    code = "quota_exceeded"
    status = 403


class MergeConflict(Conflict):
    """Two branches changed the same thing; each of `clashes` has `tier`, `name`, `ours` and `theirs`."""

    code = "merge_conflict"

    def __init__(self, message: str, clashes: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.clashes = clashes


class Overloaded(PerdureError):
    """More is asked for at once than there is room for; `retry_after` is about how many seconds later there will be."""

    code = "overloaded"
    status = 429

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OverBudget(PerdureError):
    """One conversation alone needs more memory than all of them may have."""

    code = "over_budget"
    status = 507


class StoreError(PerdureError, OSError):
    """The disk, or what is on it."""

    code = "store_error"
    exit_code = 5


class StoreFull(StoreError):
    """No space left on the device."""

    code = "store_full"
    status = 507


class StoreUnreadable(StoreError):
    """No permission, not a directory, or not a store."""

    code = "store_unreadable"


class StoreVersion(StoreError):
    """The store was written by a newer Perdure."""

    code = "store_version"


class StoreDamaged(StoreError):
    """The database is broken; `perdure fsck --repair` rebuilds it from the journals."""

    code = "store_damaged"


class ObjectMissing(StoreError):
    """An object that something refers to is not in the store."""

    code = "object_missing"

    def __init__(self, message: str, *, digest: bytes = b"") -> None:
        super().__init__(message)
        self.digest = digest


class ObjectCorrupt(StoreError):
    """A record whose checksum does not match its bytes."""

    code = "object_corrupt"

    def __init__(self, message: str, *, digest: bytes = b"") -> None:
        super().__init__(message)
        self.digest = digest


class ServiceError(PerdureError):
    """A server failed, or refused for a reason of its own; `code` and `status` are what it said."""

    code = "service_error"


class Unreachable(ServiceError, ConnectionError):
    """No answer came from a server."""

    code = "unreachable"
    status = 503
