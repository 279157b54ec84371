"""A memory of fixed size that keys and values are added to, and that queries read."""

from .cpu import gate, retrieve, update
from .features import Features, elu_plus_one
from .reference import retrieve_reference, update_reference

__all__ = ["Features", "elu_plus_one", "gate", "retrieve", "retrieve_reference", "update", "update_reference"]
