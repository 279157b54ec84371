"""What all Triton kernels share. Only modules named gpu.py and launches.py import this, since it needs Triton."""

from __future__ import annotations

import os

import triton
import triton.language as tl

INTERPRET = os.environ.get("TRITON_INTERPRET", "0") == "1"
"""Whether kernels run in Triton's interpreter; it is read by Triton itself when a kernel is defined.

The interpreter computes with the bit patterns of bfloat16 (github.com/triton-lang/triton issues 11584 and 11585), so kernels
take `UPCAST=INTERPRET` and multiply in float32 then.
"""


@triton.jit
def dot(a, b, UPCAST: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    """a @ b accumulated in float32; float32 operands are not rounded to tf32."""
    if UPCAST:
        return tl.dot(a.to(tl.float32), b.to(tl.float32), input_precision="ieee")
    return tl.dot(a, b, input_precision="ieee")


def cdiv(a: int, b: int) -> int:
    """How many parts of `b` cover `a`."""
    return -(-a // b)


def padded(size: int, least: int = 16) -> int:
    """The power of two that a tile of `size` needs; Triton multiplies nothing smaller than `least`."""
    return max(least, int(triton.next_power_of_2(size)))


@triton.jit
def rounded(x, kind: tl.constexpr, UPCAST: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    """Float32 numbers to the nearest of `kind`. The interpreter by itself cuts off what bfloat16 has no room for."""
    if UPCAST and kind == tl.bfloat16:
        bits = x.to(tl.int32, bitcast=True)
        x = ((bits + 0x7FFF + ((bits >> 16) & 1)) & -65536).to(tl.float32, bitcast=True)
    return x.to(kind)
