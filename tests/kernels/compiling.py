"""Triton kernels compiled for GPUs that are not there, and what the machine code needs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

CUOBJDUMP = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"

SHARED_LIMIT = {80: 163 * 1024, 90: 227 * 1024}
"""Bytes of shared memory that one block can have, per compute capability (CUDA C++ Programming Guide, table 24)."""


@dataclass(frozen=True)
class Need:
    """What one compiled kernel takes: registers of a thread, stack bytes of a thread (spills), shared bytes of a block."""

    registers: int
    stack: int
    shared: int


def compiled(
    kernel: Any,
    signature: Mapping[str, str],
    constants: Mapping[str, Any],
    *,
    capability: int,
    aligned: Iterable[str] = (),
    warps: int = 4,
    stages: int = 2,
) -> Need:
    """Compile a @triton.jit function for one compute capability (80, 90).

    `signature` gives the type of each argument that is no constexpr ("*bf16", "*fp32", "*i8", "i32", "fp32"), `constants`
    the value of each that is one. Pointers are taken to be aligned to 16 bytes, as torch's are, and the integers named in
    `aligned` to be multiples of 16. A `None` in `constants` stands for an optional pointer that is left out.
    """
    source = ASTSource(kernel, _types(kernel, signature), _at(kernel, constants), _divisible(kernel, signature, aligned))
    options = {"num_warps": warps, "num_stages": stages, "enable_fp_fusion": True}
    found = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    registers, stack = _resources(found.asm["cubin"])
    return Need(registers, stack, found.metadata.shared)


def assert_fits(kernel: Any, signature: Mapping[str, str], constants: Mapping[str, Any], **options: Any) -> dict[int, Need]:
    """Compile for sm_80 and sm_90, and fail on a kernel that spills or asks for more shared memory than there is."""
    needs = {
        capability: compiled(kernel, signature, constants, capability=capability, **options) for capability in SHARED_LIMIT
    }
    for capability, need in needs.items():
        print(f"{kernel.__name__} sm_{capability} {dict(constants)} {options}: {need}")
        assert need.stack == 0, f"sm_{capability}: {need}"
        assert need.shared <= SHARED_LIMIT[capability], f"sm_{capability}: {need}"
    return needs


def _types(kernel: Any, signature: Mapping[str, str]) -> dict[str, str]:
    unknown = signature.keys() - set(kernel.arg_names)
    assert not unknown, f"{kernel.__name__} has no arguments {sorted(unknown)}"
    return {name: signature.get(name, "constexpr") for name in kernel.arg_names}


def _at(kernel: Any, constants: Mapping[str, Any]) -> dict[tuple[int], Any]:
    return {(kernel.arg_names.index(name),): value for name, value in constants.items()}


def _divisible(kernel: Any, signature: Mapping[str, str], aligned: Iterable[str]) -> dict[tuple[int], list[list[Any]]]:
    """Without these, loads are of single elements. In order, since what was compiled is found again by their text."""
    names = {name for name, kind in signature.items() if kind.startswith("*")} | set(aligned)
    return {(kernel.arg_names.index(name),): [["tt.divisibility", 16]] for name in sorted(names)}


def _resources(cubin: bytes) -> tuple[int, int]:
    """Registers and stack bytes; asking Triton itself for them needs a driver."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        told = subprocess.run([CUOBJDUMP, "--dump-resource-usage", file], capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", told)
    assert found, told
    return int(found[1]), int(found[2])
