import pytest
import torch

from factories.networks import TINY, make_system


@pytest.fixture(scope='session')
def exact_system():
    """A tiny network in float64, never to be changed."""
    return make_system(TINY, dtype=torch.float64)
