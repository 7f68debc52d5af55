"""What tests of the engine share."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope='module')
def without_tf32() -> Iterator[None]:
    """Have CUDA multiply in float32 where float32 is asked for.

    By hand: pytest's monkeypatch would delete these attributes, which cannot be, to undo it.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = False
    yield
    cudnn.allow_tf32, matmul.allow_tf32 = before
