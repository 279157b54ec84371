"""What turns the codes of a quantised cache into numbers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Scales(NamedTuple):
    """Keys are quantised per channel over a block, values per token: number = code * scale + zero.

    k_scale and k_zero [NB, Hkv, D], v_scale and v_zero [NB, BS, Hkv], contiguous, of any float dtype (Liu et al. 2024,
    "KIVI", section 3.2). Codes are uint8 [NB, BS, Hkv, D]; with 4 bits [NB, BS, Hkv, D / 2], channel i in the low and
    i + D / 2 in the high half of byte i. One layer of what `pack` makes is of this form.
    """

    k_scale: Tensor
    k_zero: Tensor
    v_scale: Tensor
    v_zero: Tensor

    def keys(self, codes: Tensor, blocks: Tensor, dtype: torch.dtype) -> Tensor:
        """Numbers [n, BS, Hkv, D] of the codes of `blocks` [n], computed and returned in `dtype`."""
        scale, zero = self.k_scale[blocks].unsqueeze(1), self.k_zero[blocks].unsqueeze(1)
        return self._spread(codes, scale.shape[-1], dtype).mul_(scale).add_(zero)

    def values(self, codes: Tensor, blocks: Tensor, dtype: torch.dtype) -> Tensor:
        scale, zero = self.v_scale[blocks].unsqueeze(-1), self.v_zero[blocks].unsqueeze(-1)
        return self._spread(codes, self.k_scale.shape[-1], dtype).mul_(scale).add_(zero)

    @staticmethod
    def _spread(codes: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
        """One code an element, whatever the bits."""
        if codes.shape[-1] != dim:
            codes = torch.cat((codes & 15, codes >> 4), -1)
        return codes.to(dtype)
