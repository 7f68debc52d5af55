"""What a frozen transformer gives of utterances, computed once for all times they are asked of.

L subword tokens, W width of the transformer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

MOST_UTTERANCES = 20_000
"""Kept at a time; what was asked of longest ago goes first."""
_HIDDEN = -1


class KeptUtterances:
    """A function of single utterances with a memory; a copy of it shares the memory.

    Each is computed by itself, so that what it gives does not depend on those beside it in a batch,
    nor on when it came first: a run that is resumed finds the same numbers.
    """

    def __init__(self, pool: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Keep what a function returns.

        Args:
            pool: returns (U, W) of token ids and their mask, (U, L), and sees the first token of
                each whatever its mask says; its weights never change.
        """
        self._pool = pool
        self._kept = lru_cache(MOST_UTTERANCES)(self._compute)

    def __deepcopy__(self, _: object) -> KeptUtterances:
        return self

    def __call__(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """Return what the function does, without a gradient.

        Args:
            token_ids: int64 (U, L).
            token_mask: bool (U, L), False for padding, and for tokens that are hidden.
        """
        hidden = ~token_mask
        hidden[:, 0] = False
        shown = token_ids.masked_fill(hidden, _HIDDEN).tolist()
        return torch.stack([self._kept(_trimmed(ids), token_ids.device) for ids in shown])

    def _compute(self, shown: tuple[int, ...], device: torch.device) -> Tensor:
        # What inference mode makes could not be learnt from later.
        with torch.inference_mode(False), torch.no_grad():
            ids = torch.tensor([shown], device=device)
            mask = ids != _HIDDEN
            return self._pool(ids.masked_fill(~mask, 0), mask)[0].clone()


def _trimmed(ids: list[int]) -> tuple[int, ...]:
    """Leave out what is hidden at the end."""
    length = len(ids)
    while ids[length - 1] == _HIDDEN:
        length -= 1
    return tuple(ids[:length])
