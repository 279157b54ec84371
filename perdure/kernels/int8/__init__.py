"""Products of a batch of rows with a weight in 8 bits, each row in 16 bits of its own."""

from .cpu import Packed8, codes_of, int8_linear, packed8
from .reference import STEPS, int8_linear_reference, quantised

__all__ = ["STEPS", "Packed8", "codes_of", "int8_linear", "int8_linear_reference", "packed8", "quantised"]
