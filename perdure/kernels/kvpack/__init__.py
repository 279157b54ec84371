"""Blocks of a paged KV cache taken out of all layers at once, in few bits, and put back."""

from .op import pack, unpack_
from .reference import Packed, pack_reference, unpack_reference

__all__ = ["Packed", "pack", "pack_reference", "unpack_", "unpack_reference"]
