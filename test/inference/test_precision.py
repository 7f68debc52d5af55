import pytest
import torch

from activity_recognition.config import EngineConfig
from activity_recognition.errors import DeviceError
from activity_recognition.inference.precision import choose_precision
from activity_recognition.models.examples import example_inputs
from activity_recognition.models.step_spec import Sizes
from activity_recognition.models.steps import Steps
from factories.networks import STEPS, make_system


@pytest.fixture
def without_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)


def choose(**keywords):
    return choose_precision(EngineConfig(**keywords))


def test_auto_is_float32_on_a_cpu(without_cuda):
    precision = choose()
    assert precision.device == torch.device('cpu')
    assert precision.dtype is torch.float32
    assert '(cpu, fp32)' in precision.name


@pytest.mark.parametrize('device', ['cuda', 'cuda:0', 'cuda:3'])
def test_missing_cuda_is_said(without_cuda, device):
    with pytest.raises(DeviceError, match=rf"device='{device}', found 0 .* set engine.device to"):
        choose(device=device)


def test_a_gpu_too_many_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    with pytest.raises(DeviceError, match=r"'cuda:2', found 2"):
        choose(device='cuda:2')
    assert choose(device='cuda:1', precision='fp32').device.index == 1


@pytest.mark.parametrize('device', ['cudacudacuda', 'cuda:x', 'cuda:-2'])
def test_nonsense_is_said(device):
    with pytest.raises(DeviceError, match='expected a'):
        choose(device=device)


@pytest.mark.parametrize(('bf16', 'expected'), [(True, torch.bfloat16), (False, torch.float16)])
def test_auto_halves_the_bits_on_cuda(monkeypatch, bf16, expected):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda: bf16)
    assert choose().dtype is expected
    assert choose(precision='fp32').dtype is torch.float32


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(DeviceError, match='expected fp32 or bf16 on a CPU, got fp16; set'):
        choose(device='cpu', precision='fp16')


def test_autocast_is_what_the_name_says():
    a = torch.randn(4, 4)
    with choose(device='cpu', precision='fp32').autocast():
        assert (a @ a).dtype is torch.float32
    precision = choose(device='cpu', precision='bf16')
    with precision.autocast():
        assert (a @ a).dtype is torch.bfloat16
    assert 'bf16' in precision.name


def test_cast_weights_are_a_copy_that_gives_the_same_numbers():
    precision = choose(device='cpu', precision='bf16')
    system = make_system().eval()
    cast = precision.with_cast_weights(system)
    assert {layer.weight.dtype for layer in system.modules() if hasattr(layer, 'weight')} == {
        torch.float32
    }
    assert cast.classifier.weight.dtype is torch.bfloat16
    inputs = example_inputs(system, Sizes(streams=2))
    with torch.inference_mode(), precision.autocast():
        for step in STEPS:
            found, wanted = (getattr(Steps(s).eval(), step)(*inputs[step]) for s in (cast, system))
            torch.testing.assert_close(found, wanted, atol=0, rtol=0)


def test_float64_weights_stay_as_autocast_leaves_them():
    precision = choose(device='cpu', precision='bf16')
    cast = precision.with_cast_weights(make_system(dtype=torch.float64))
    assert cast.classifier.weight.dtype is torch.float64


def test_float32_weights_are_not_copied():
    system = make_system()
    assert choose(device='cpu', precision='fp32').with_cast_weights(system) is system


@pytest.mark.gpu
def test_auto_finds_the_gpu():
    precision = choose()
    assert precision.device.type == 'cuda'
    assert torch.cuda.get_device_name() in precision.name
