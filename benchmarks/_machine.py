"""What the numbers were measured on, and how busy it was."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("perdure", "torch", "transformers", "safetensors", "lmdb", "numpy", "xxhash", "blake3")
QUIET_LOAD = 1.5
QUIET_PRESSURE = 20.0


def pin(threads: int, cpus: Iterable[int] = ()) -> list[int]:
    """Bind this process, and what it starts, to as many cores as it has threads; the highest ones unless told."""
    allowed = sorted(os.sched_getaffinity(0))
    chosen = sorted(cpus) or allowed[-threads:]
    os.sched_setaffinity(0, chosen)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    return chosen


def facts(work: Path) -> dict[str, Any]:
    """The machine in words and numbers; `work` is the folder whose disk is measured."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "filesystem": _filesystem(work),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def described(work: Path, cpus: list[int], before: dict[str, float]) -> dict[str, Any]:
    """The machine as a result file has it: facts, the cores that were used, one thread each, and the load around the run."""
    used = {"threads": len(cpus), "pinned_to": cpus}
    return {**facts(work), **used, "load_before": before, "load_after": load(), "label": label(before)}


def load() -> dict[str, float]:
    """Load average and the share of time in which some task waited for a core (percent, 10 s and 60 s)."""
    one, five, _ = os.getloadavg()
    return {"load1": round(one, 2), "load5": round(five, 2), **_pressure()}


def label(before: dict[str, float]) -> str:
    """QUIET or LOADED, judged before the run: afterwards the run itself is the load."""
    busy = before["load1"] > QUIET_LOAD or before.get("cpu_some_avg10", 0.0) > QUIET_PRESSURE
    return "LOADED" if busy else "QUIET"


def _pressure() -> dict[str, float]:
    try:
        first = Path("/proc/pressure/cpu").read_text().splitlines()[0]
    except (OSError, IndexError):
        return {}
    numbers = dict(part.split("=") for part in first.split()[1:])
    return {f"cpu_some_{name}": float(numbers[name]) for name in ("avg10", "avg60")}


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "unknown")


def _filesystem(folder: Path) -> str:
    mounts = [line.split()[:3] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [(point, kind) for _, point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(inside, key=lambda found: len(found[0]), default=("", "unknown"))[1]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
