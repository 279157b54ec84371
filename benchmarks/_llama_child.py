"""A llama-server inside its own process and environment; imports nothing of ours, only xllamacpp.

The first line on stdin is a JSON object of settings. One JSON line comes back on stdout: the server's address, or an
error. The server then answers its usual REST calls until stdin closes. Everything it prints itself goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO


def private_stdout() -> TextIO:
    """A handle on the real stdout, after which descriptor 1 leads to stderr: llama.cpp writes there at will."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return channel


def parameters(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.n_ctx = settings["n_ctx"]
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = 512
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.slot_save_path = settings["slots"] + os.sep
    params.endpoint_slots = True
    params.cache_ram_mib = 0
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.warmup = False
    return params


def main() -> None:
    channel = private_stdout()
    settings = json.loads(sys.stdin.readline())
    if settings["cpus"]:
        os.sched_setaffinity(0, settings["cpus"])
    try:
        import xllamacpp

        server = xllamacpp.Server(parameters(settings))
        ready = {"address": server.listening_address, "version": xllamacpp.__version__, "pid": os.getpid()}
    except Exception as error:
        ready = {"error": f"{type(error).__name__}: {error}"}
    channel.write(json.dumps(ready) + "\n")
    if "error" not in ready:
        sys.stdin.read()
    channel.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
