"""A memory of fixed size that keys and values are added to, and that queries read."""

from ..dispatch import dispatched
from . import cpu
from .cpu import gate
from .features import Features, elu_plus_one
from .reference import retrieve_reference, retrieve_weighed_reference, update_reference

update = dispatched("perdure.kernels.infini.gpu")(cpu.update)
retrieve = dispatched("perdure.kernels.infini.gpu")(cpu.retrieve)
retrieve_weighed = dispatched("perdure.kernels.infini.gpu")(cpu.retrieve_weighed)

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
