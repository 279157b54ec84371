"""The runtime: one model, one store, and the sessions between them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from ..config import LEARN_OFF, STORED, CheckpointOptions, MemoryOptions, PagingOptions, Sampling
from ..errors import InvalidInput, ModelNotFound, RecipeMismatch, SessionNotFound
from ..memory import names
from ..memory.recipe import STATE_FORMAT, Recipe
from ..memory.records import Commit, Message, SessionInfo
from ..memory.repository import Repository
from ..memory.summary import Calibration, HeavyHitters, Infini, SinksOnly, Summary
from ..memory.tokenlog import tokens
from ..memory.working import Budget, budget
from ..places import default_cache, default_store, user
from . import attention
from .calibrations import Calibrations, fingerprint
from .calls import CallFormat
from .catalogue import DEFAULT_MODEL, find
from .encoder import SentenceEncoder
from .encoder import load as load_encoder
from .engine import Engine
from .gating import Gates
from .memories import Memories
from .models import LoadedModel, load, quiet, resolve
from .records import ModelInfo
from .residence import Residence, bound
from .selftest import self_test
from .session import Session
from .state.families import adapter_for
from .state.repairs import repair
from .text import pieces
from .writers import writer_for

Progress = Callable[[str, int, int], None]


def no_encoder() -> SentenceEncoder:
    """Stands for the sentence encoder where none was given."""
    raise ModelNotFound("No sentence encoder was given, so nothing can be searched.")


class Runtime:
    """Made by `perdure.open`. Sessions of one runtime share the model; close them before it (`close` does)."""

    def __init__(
        self,
        loaded: LoadedModel,
        repository: Repository,
        sampling: Sampling,
        *,
        threads: int | None,
        checkpoints: CheckpointOptions | None = None,
        memory: MemoryOptions | None = None,
        paging: PagingOptions | None = None,
        encoder: Callable[[], SentenceEncoder] = no_encoder,
        cache: Path | None = None,
        batching: bool = True,
        speculate: bool = True,
    ) -> None:
        self.loaded = loaded
        self.repository = repository
        self.sampling = sampling
        self.checkpoints = checkpoints or CheckpointOptions()
        self.memory = memory or MemoryOptions()
        self.speculate = speculate
        self.memories = Memories(repository, encoder)
        self.gates = Gates(repository)
        self.threads_are_free = threads is None
        self.engine, self.notes = make_engine(loaded, batching=batching)
        paging = paging or PagingOptions()
        spares = self.engine.adapter.spares
        self.residence = Residence(bound(paging, self.engine.device), patience=paging.wait_seconds, spares=spares)
        if paging.hot_bytes is not None:
            self.keep_within(paging.hot_bytes)
        self.recipe = self._recipe(loaded)
        self.layout = {"adapter": self.engine.adapter.identity, "layers": [list(k) for k in self.engine.adapter.layers()]}
        self.author = user()
        self.budget(0)
        self.summary = self._summary(cache or default_cache())
        if self.memory.learn != LEARN_OFF:
            # A writer that the family cannot take is refused here and not after each turn.
            writer_for(self.engine, loaded.chat, self.memory.learn)
        self._open: set[Session] = set()

    @property
    def model(self) -> ModelInfo:
        return self.loaded.info

    @property
    def calls(self) -> CallFormat | None:
        """How the model calls functions; None where its chat template offers it none."""
        return self.loaded.chat.calls

    def keep_within(self, hot_bytes: int) -> None:
        """Bound the working states in memory from now on, as PagingOptions.hot_bytes does. Before the first session."""
        # Buffers are counted from now on, so they must be no larger than they have to be.
        self.engine.adapter.spares.snug = True
        self.residence.budget = hot_bytes

    def count(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """How many tokens a whole conversation has as the chat template writes it. Raises InvalidInput if it refuses it."""
        return len(self.loaded.chat.offering(tools).prompt(messages))

    def texts(self, said: Sequence[int]) -> list[str]:
        """The text that each token completes, control tokens by their names."""
        return pieces(self.loaded.tokenizer, said)

    def spelling(self, commit: Commit) -> Callable[[int, int], list[str] | None]:
        """Tells the texts of tokens [start, end) of a commit's log; None where another tokenizer made them."""
        if self.repository.recipe(commit)["tokenizer"] != self.recipe["tokenizer"]:
            return lambda start, end: None
        log = tokens(self.repository.runs(commit))
        return lambda start, end: self.texts(log[start:end])

    def calibration(self, maker: str) -> Calibration | None:
        """The numbers that an infini memory was made with, by their digest; None where they are not on this machine."""
        try:
            return self.engine.adapter.summaries.infini(maker).calibration
        except (RecipeMismatch, InvalidInput):
            return None

    def spelled(self, tokens: Sequence[int], recipe: Recipe) -> str | None:
        """The text of some tokens, control tokens included; None where another tokenizer made them."""
        if recipe["tokenizer"] != self.recipe["tokenizer"]:
            return None
        return str(self.loaded.tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def budget(self, system: int) -> Budget | None:
        """How large a working set may become, with a system prompt of so many tokens.

        None for a family whose keys cannot be moved: its conversations end with the context.
        """
        if not self.engine.adapter.movable:
            return None
        grows = sum(kind.per_token for kind in self.engine.adapter.layers() if kind.window is None)
        return budget(self.memory, context=self.loaded.info.context_length, token_bytes=grows, system=system)

    def _summary(self, cache: Path) -> Summary:
        """What summarises evicted tokens. Says so where it is a memory whose gates are all closed."""
        adapter = self.engine.adapter
        calibrations = Calibrations(cache, fingerprint(self.recipe), adapter.banks, self.engine.device)
        adapter.summaries = calibrations
        if self.memory.backend != Infini.name:
            return HeavyHitters() if self.memory.backend == HeavyHitters.name else SinksOnly()
        found = calibrations.current() if adapter.hears else Infini()
        if not found.folds:
            self.notes.append(
                "The infini memory's gates are all closed, so what leaves the window is forgotten. "
                f"Train them with: perdure calibrate {self.loaded.info.name} --text FILE"
            )
        return found

    def _recipe(self, loaded: LoadedModel) -> Recipe:
        """The recipe says what else decides the bits: who keeps states and how, and how prompts are fed."""
        stepwise = {} if self.engine.adapter.multi_token else {"grid": "1"}
        rounded = "" if self.checkpoints.codec == "raw" else f" with {self.checkpoints.codec} states"
        return loaded.recipe.replace(format=f"{STATE_FORMAT} by {self.engine.adapter.identity}{rounded}", **stepwise)

    def session(self, name: str, *, create: bool = True, system: str | None = None, as_text: bool = False) -> Session:
        """Open a session, made if `create` allows; an answer that a killed process left unfinished is recovered.

        `system` is the system prompt of a new session. Raises SessionNotFound, InvalidName, or RecipeMismatch when its
        state was computed by another model; `as_text` computes it again from the text instead.
        """
        if not self.repository.exists(names.checked(name)):
            if not create:
                raise SessionNotFound(f"There is no session {name[:80]!r}. `perdure ls` lists them.")
            self.repository.create(name, self.recipe, model=self.model.name, author=self.author)
        session = Session(self, self.repository.working_copy(name), system=system, as_text=as_text)
        try:
            self._require_system(session, system)
            session.recover()
        except BaseException:
            session.close()
            raise
        self._open.add(session)
        return session

    def create(self, name: str, *, about: Mapping[str, Any], mounts: Sequence[str] = ()) -> SessionInfo:
        """Make a session without opening it; `about` and `mounts` as in StateRefs. Raises InvalidName or SessionExists."""
        return self.repository.create(
            name, self.recipe, model=self.model.name, author=self.author, about=about, mounts=mounts
        )

    def ephemeral(self, *, system: str | None = None) -> Session:
        """A session that leaves nothing a user sees; prompts share stored prefixes all the same."""
        return Session(self, self.repository.scratch(self.recipe), system=system)

    def over(self, repository: Repository) -> Runtime:
        """The same model over another store, whose sessions share nothing but the model with these.

        To be closed before this one; that closes its sessions and its store.
        """
        other = copy.copy(self)
        other.repository = repository
        other.memories = Memories(repository, lambda: self.memories.encoder)
        other.gates = Gates(repository)
        other._open = set()
        return other

    def prepare(self) -> None:
        """Find out now how many sessions may share a forward, for which the first two at once would wait otherwise, and
        which guesses may, where they are wanted."""
        _ = self.engine.together
        if self.speculate:
            self.engine.look_ahead()

    def sessions(self) -> list[SessionInfo]:
        return self.repository.sessions()

    def close(self) -> None:
        """Close all sessions and the store. Idempotent."""
        for session in list(self._open):
            session.close()
        self._open.clear()
        self.memories.close()
        self.repository.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def forget(self, session: Session) -> None:
        """A session was closed (called by the session)."""
        self._open.discard(session)

    @staticmethod
    def _require_system(session: Session, system: str | None) -> None:
        messages = session.messages() if system is not None else []
        if messages and (messages[0].role, messages[0].content) != ("system", system):
            raise InvalidInput(
                f"Session {session.name!r} began with another system prompt; leave it out, or start a new session."
            )


def open(  # noqa: A001 - the public name is perdure.open
    model: str | Path = DEFAULT_MODEL,
    store: str | Path | None = None,
    *,
    threads: int | None = None,
    dtype: str | None = None,
    weights: str = STORED,
    sampling: Sampling | None = None,
    checkpoints: CheckpointOptions | None = None,
    memory: MemoryOptions | None = None,
    paging: PagingOptions | None = None,
    encoder: SentenceEncoder | None = None,
    cache: Path | None = None,
    batching: bool = True,
    speculate: bool = True,
    progress: Progress | None = None,
) -> Runtime:
    """Load a model and open a store.

    `model` is a catalogue name, a pulled hub id or a folder; `store` None is the user's data directory, `cache` None the
    user's cache directory (where pulled models are). `threads` None takes torch's number, or the one a session was
    computed with (where other programs keep cores busy, 1, or GOMP_SPINCOUNT=3000 in the environment, is faster: decision
    0028); `weights` "int8" rounds the linear layers' weights to 8 bits; `checkpoints` says how many snapshots of recurrent
    states are kept, `memory` what happens when a conversation outgrows its window, `paging` how much of a GPU warm sessions
    take, and `encoder` (None: the one that was pulled) finds what is recalled then. With `batching` sessions that answer at
    the same time share forwards, which changes no bit of any of them; with `speculate` tokens that are guessed from a
    session's own past share the forward of the token before them, where that is faster, and that changes none
    either. Raises ModelNotFound, InvalidInput or a StoreError.
    """
    place = cache or default_cache()
    folder = resolve(str(model), place)
    repository = Repository.open(Path(store) if store is not None else default_store())
    try:
        loaded = load_model(
            folder,
            model_name(str(model), folder),
            dtype=dtype,
            weights=weights,
            threads=threads,
            cache=place,
            progress=progress,
        )
        return Runtime(
            loaded,
            repository,
            sampling or Sampling(),
            threads=threads,
            checkpoints=checkpoints,
            memory=memory,
            paging=paging,
            encoder=(lambda: load_encoder(place)) if encoder is None else (lambda: encoder),
            cache=place,
            batching=batching,
            speculate=speculate,
        )
    except BaseException:
        repository.close()
        raise


def make_engine(loaded: LoadedModel, *, batching: bool = True) -> tuple[Engine, list[str]]:
    """The engine of a loaded model, its family mended and tested, and what a user should know about it.

    Raises InvalidInput, naming the family, for a model that cannot go on from a stored state.
    """
    with quiet():
        repaired = repair(loaded.model)
        adapter = adapter_for(loaded.model)
        engine = Engine(loaded.model, adapter, torch.get_num_threads(), batches=batching)
        engine.notes.extend(self_test(engine, repaired))
    adapter.warm(loaded.info.context_length)
    return engine, engine.notes


def model_name(asked: str, folder: Path) -> str:
    """What a model is called: its catalogue name, its hub id, or the last part of its folder."""
    entry = find(asked)
    if entry is not None:
        return entry.name
    return folder.name if Path(asked).is_dir() else asked


def load_model(
    folder: Path,
    name: str,
    *,
    dtype: str | None = None,
    weights: str = STORED,
    threads: int | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> LoadedModel:
    """Load a model with the attention that fits it."""
    attention.register()
    if progress is not None:
        progress("loading the model", 0, 1)
    chosen = attention.choose(folder)
    loaded = load(folder, name=name, dtype=dtype, weights=weights, threads=threads, attention=chosen, cache=cache)
    if progress is not None:
        progress("loading the model", 1, 1)
    return loaded
