"""A fast weight that the delta rule writes: a memory in which a key's new value takes the place of its old one."""

from ..dispatch import dispatched
from . import cpu
from .reference import delta_update_reference

delta_update = dispatched("perdure.kernels.delta.gpu")(cpu.delta_update)

__all__ = ["delta_update", "delta_update_reference"]
