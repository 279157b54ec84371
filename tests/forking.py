"""`perdure` in a process of its own that imports nothing anew: a fork of one that did, and that does nothing else.

Importing torch and transformers takes longer than most commands. Those that a test kills, and servers, begin from nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import NoReturn

IMPORTED = [
    "perdure.api.cli.app",
    "perdure.api.wiring",
    "perdure.runtime.runtime",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
]
STREAMS = ("stdin", "stdout", "stderr")


def perdure(words: Sequence[str], *, given: str = "", timeout: float = 240.0) -> CompletedProcess[str]:
    """Run a command here, with the environment as it is now. Raises TimeoutError when it has not ended by then."""
    with TemporaryDirectory(prefix="perdure-streams-") as streams:
        files = [Path(streams, name) for name in STREAMS]
        files[0].write_text(given, encoding="utf-8")
        child = _context().Process(target=_run, args=(list(words), os.getcwd(), dict(os.environ), files))
        child.start()
        child.join(timeout)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise TimeoutError(f"perdure {' '.join(words)} did not end in {timeout:.0f} s")
        said = [path.read_text(encoding="utf-8") if path.exists() else "" for path in files[1:]]
        return CompletedProcess(list(words), child.exitcode, *said)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def _run(words: Sequence[str], folder: str, environment: Mapping[str, str], files: Sequence[Path]) -> NoReturn:
    """The child's life."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, (path, flags) in enumerate(zip(files, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = open(0, encoding="utf-8"), open(1, "w"), open(2, "w")  # noqa: SIM115
    sys.argv = ["perdure", *words]
    from perdure.api.cli import main

    main()
    sys.exit(0)
