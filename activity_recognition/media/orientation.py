"""The display matrix of a video: how its frames are turned and mirrored before they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Orientation:
    """One of the eight ways to show an image along its axes."""

    transposed: bool = False
    """Whether rows become columns; done first."""
    mirrored: bool = False
    """Whether left and right change places."""
    flipped: bool = False
    """Whether top and bottom change places."""

    @classmethod
    def of_matrix(cls, matrix: bytes) -> Orientation:
        """Return the orientation nearest to a display matrix.

        Args:
            matrix: nine 32-bit numbers a, b, u, c, d, v, x, y, w in the machine's order, as in
                ISO/IEC 14496-12, 6.2.2: a pixel at (p, q) is shown at (a p + c q, b p + d q).
        """
        words = np.frombuffer(matrix, np.int32)
        if words.size != _WORDS:
            return cls()
        a, b, c, d = (int(words[index]) for index in (0, 1, 3, 4))
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(mirrored=a < 0, flipped=d < 0)
        return cls(transposed=True, mirrored=c < 0, flipped=b < 0)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an image, (H, W, 3), as it is shown; contiguous."""
        turned = image.transpose(1, 0, 2) if self.transposed else image
        turned = turned[:, ::-1] if self.mirrored else turned
        return np.ascontiguousarray(turned[::-1] if self.flipped else turned)
