"""Attention of new tokens over a KV cache that lies in blocks, plain or quantised, with the log-sum-exp of its scores."""

from .op import paged_attention
from .reference import paged_attention_reference
from .scales import Scales

__all__ = ["Scales", "paged_attention", "paged_attention_reference"]
