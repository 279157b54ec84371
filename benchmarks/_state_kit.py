"""Models of chosen sizes with random weights, and runtimes over stores of the benchmark's own."""

from __future__ import annotations

import os
from copy import copy
from pathlib import Path
from typing import Any, Literal

from perdure.config import CheckpointOptions, Sampling
from perdure.memory import Repository
from perdure.runtime import Runtime
from perdure.runtime.models import LoadedModel, quiet
from perdure.runtime.runtime import load_model
from perdure.testing.families import tiny_model

Dtype = Literal["float32", "bfloat16"]
SAMPLING = Sampling(temperature=0.0, seed=1)
CHILD = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

NEWEST = CheckpointOptions(dense=1, budget_bytes=0)
"""No checkpoints but the newest, without which a session of a recurrent model could not be resumed at all."""


def make(family: str, folder: Path, *, dtype: Dtype = "float32", **sizes: Any) -> LoadedModel:
    """A model of a family in `folder/model`, loaded; `sizes` take the place of the tiny ones."""
    os.environ |= CHILD
    with quiet():
        tiny_model(family, folder / "model", dtype=dtype, **sizes)
    return loaded_from(folder / "model", threads=1)


def loaded_from(model: Path, *, threads: int) -> LoadedModel:
    return load_model(model, "random", threads=threads, cache=model.parent / "cache")


def runtime(loaded: LoadedModel, store: Path, *, sampling: Sampling = SAMPLING) -> Runtime:
    """The first runtime of a model, for which it is mended and tested."""
    repository = Repository.open(store)
    try:
        return Runtime(loaded, repository, sampling, threads=1)
    except BaseException:
        repository.close()
        raise


def beside(first: Runtime, store: Path, *, checkpoints: CheckpointOptions | None = None) -> Runtime:
    """Another runtime of the same model over another store: nothing but the weights is shared."""
    twin = copy(first)
    twin.repository = Repository.open(store)
    twin.checkpoints = checkpoints or first.checkpoints
    twin._open = set()
    return twin
