"""From the host to the device."""

import numpy as np
import pytest
import torch

from activity_recognition.inference.precision import upload, upload_stack

CPU = torch.device('cpu')


def test_a_cpu_shares_an_array():
    array = np.zeros((2, 3), np.float32)
    tensors = upload(array, CPU), upload_stack([array], CPU)
    array[1, 2] = 7
    assert [tensor.flatten()[-1].item() for tensor in tensors] == [7, 7]
    assert tensors[1].shape == (1, 2, 3)


@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
@pytest.mark.parametrize('dtype', [np.uint8, np.bool_, np.int64, np.float32, np.float64])
def test_a_stack_is_that_of_numpy(device, dtype):
    arrays = list(np.random.default_rng(0).integers(0, 2, (5, 3, 4)).astype(dtype))
    found = upload_stack(arrays, torch.device(device))
    assert found.device.type == device
    np.testing.assert_array_equal(found.cpu().numpy(), np.stack(arrays))
    assert found.cpu().numpy().dtype == dtype


@pytest.mark.gpu
def test_memory_is_not_used_again_before_it_was_copied():
    """While the GPU is busy, many uploads of one size wait for it."""
    device = torch.device('cuda')
    busy = torch.rand(4096, 4096, device=device)
    for _ in range(20):
        busy = busy @ busy
    uploaded = []
    for number in range(200):
        array = np.full((64, 64), number)
        uploaded.append(upload(array, device))
        array[:] = -1
        uploaded.append(upload_stack([np.full((64, 64), number)] * 2, device)[1])
    for place, tensor in enumerate(uploaded):
        assert (tensor == place // 2).all()
