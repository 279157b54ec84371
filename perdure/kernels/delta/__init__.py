"""A fast weight that the delta rule writes: a memory in which a key's new value takes the place of its old one."""

from .op import delta_update
from .reference import delta_update_reference

__all__ = ["delta_update", "delta_update_reference"]
