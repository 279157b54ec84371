"""A memory of fixed size that keys and values are added to, and that queries read."""

from .cpu import gate
from .features import Features, elu_plus_one
from .op import retrieve, retrieve_weighed, update
from .reference import retrieve_reference, retrieve_weighed_reference, update_reference

__all__ = [
    "Features",
    "elu_plus_one",
    "gate",
    "retrieve",
    "retrieve_reference",
    "retrieve_weighed",
    "retrieve_weighed_reference",
    "update",
    "update_reference",
]
