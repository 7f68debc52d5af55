"""The size that the network sees: by OpenCV on the host, by matrix products on a device."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activity_recognition.config import EngineConfig
from activity_recognition.errors import ShapeError
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.lanes import FrontEndSettings
from activity_recognition.inference.lanes.video import VideoFrontEnd
from activity_recognition.inference.resizing import (
    area_weights,
    check_frame,
    resample,
    resize_frame,
    stack_on,
)
from activity_recognition.types import Crop, DecisionTime, Frame, Window, to_ns
from factories.lanes import rings_of
from factories.networks import TINY, make_checkpoint
from factories.streams import START_NS

CPU = torch.device('cpu')
DEVICES = [
    'cpu',
    pytest.param(
        'cuda',
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device'),
        ],
    ),
]
sides = st.integers(1, 24)
pixels = st.integers(0, 2**16)


def frame_of(image, t_ns=START_NS):
    return Frame(stamp_ns=t_ns, arrival_ns=t_ns, image=image)


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def means_of(image, size):
    """Return the exact means over areas, float64 (S, S, 3)."""
    down, across = (parts_of(side, size) for side in image.shape[:2])
    return np.einsum('sh,hwc,tw->stc', down, image.astype(float), across, optimize=True)


def parts_of(side, size):
    """Return how much of each pixel lies in each of ``size`` equal parts, (size, side)."""
    ends = np.arange(1, size + 1)[:, None] * side / size
    places = np.arange(side)
    return np.clip(np.minimum(places + 1, ends) - np.maximum(places, ends - side / size), 0, 1) * (
        size / side
    )


@given(size=st.integers(1, 8), height=sides, width=sides, seed=pixels)
@example(size=4, height=20, width=17, seed=0)
@example(size=4, height=17, width=20, seed=0)
@example(size=4, height=24, width=16, seed=0)
@example(size=1, height=1, width=300, seed=0)
@settings(max_examples=100)
def test_shrinking_averages_areas(size, height, width, seed):
    """To the nearest level; sums over whole pixels are rounded once more, far below one."""
    image = picture(max(height, size), max(width, size), seed)
    resized = resize_frame(frame_of(image), size)
    assert resized.dtype == np.uint8
    assert resized.shape == (size, size, 3)
    assert np.abs(resized - means_of(image, size)).max() <= 0.5 + 0.5 / 4 + 1e-4


def test_a_side_that_shrinks_to_a_whole_part_goes_first_and_loses_nothing():
    """640 × 480 to 128: five columns each, and 3.75 rows."""
    image = picture(480, 640)
    direct = np.abs(resize_frame(frame_of(image), 128) - means_of(image, 128))
    assert direct.max() <= 0.5 + 0.5 / 5 + 1e-4


@pytest.mark.parametrize('device', DEVICES)
@given(size=st.integers(1, 8), height=sides, width=sides, seed=pixels)
@settings(max_examples=100)
def test_a_device_is_within_a_level_of_the_host(device, size, height, width, seed):
    image = picture(max(height, size), max(width, size), seed)
    found = stack_on([image], size, torch.device(device))
    assert found.device.type == device
    assert found.dtype == torch.uint8
    expected = resize_frame(frame_of(image), size)
    assert np.abs(found[0].cpu().numpy().astype(int) - expected).max() <= 1
    assert np.abs(found[0].cpu().numpy() - means_of(image, size)).max() <= 0.5 + 1e-4


@pytest.mark.parametrize('device', DEVICES)
def test_images_of_any_sizes_come_back_in_their_order(device):
    shapes = [(8, 8), (9, 12), (8, 8), (30, 40), (9, 12)]
    images = [picture(*shape, seed=i) for i, shape in enumerate(shapes)]
    found = stack_on(images, 8, torch.device(device)).cpu()
    for row, image in zip(found, images, strict=True):
        assert torch.equal(row, resample(torch.from_numpy(image[None]), 8)[0])
    assert torch.equal(found[0], torch.from_numpy(images[0]))


@given(side=st.integers(1, 400), size=st.integers(1, 64))
def test_weights_are_a_mean(side, size):
    weights = area_weights(max(side, size), size, CPU)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(size))


def test_autocast_does_not_touch_pixels():
    image = torch.from_numpy(picture(30, 40)[None])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        rough = resample(image, 8)
    assert torch.equal(rough, resample(image, 8))


def test_other_arrays_are_refused():
    with pytest.raises(ShapeError, match=r'expected uint8 \(H, W, 3\), got float32 \(8, 8, 3\)'):
        check_frame(frame_of(np.zeros((8, 8, 3), np.float32)))


def look(engine, image, step):
    t_ns = START_NS + to_ns(0.1 * step)
    moment = DecisionTime(t_ns=t_ns, arrival_ns=t_ns)
    return Window(samples=(frame_of(image, t_ns),), decision=moment)


@pytest.mark.parametrize('device', DEVICES)
def test_an_engine_that_resizes_on_its_device_decides_nearly_the_same(device):
    """Also for images smaller than the network's, and of the size itself."""
    checkpoint = make_checkpoint(TINY)
    settings_of = {'device': device, 'precision': 'fp32', 'backend': 'torch'}
    engines = {
        resize: StreamingEngine(checkpoint, engine=EngineConfig(resize=resize, **settings_of))
        for resize in ('host', 'device')
    }
    for step, (height, width) in enumerate([(48, 64), (32, 32), (20, 30), (33, 40), (480, 640)]):
        image = picture(height, width, seed=step)
        logits = [engine.apply(look(engine, image, step)).logits for engine in engines.values()]
        np.testing.assert_allclose(*logits, atol=0.02)


def test_streams_of_different_cameras_share_a_step():
    checkpoint = make_checkpoint(TINY)
    engine = MultiStreamEngine(
        checkpoint, engine=EngineConfig(device='cpu', backend='torch', resize='device')
    )
    images = {'wide': picture(40, 80), 'small': picture(20, 20), 'exact': picture(32, 32)}
    for name in images:
        engine.join(name)
    together = engine.apply({name: look(engine, image, 0) for name, image in images.items()})
    for name, image in images.items():
        alone = StreamingEngine(
            checkpoint, engine=EngineConfig(device='cpu', backend='torch', resize='device')
        )
        expected = alone.apply(look(alone, image, 0)).logits
        np.testing.assert_allclose(together[name].logits, expected, atol=1e-5)


def test_a_bad_image_leaves_no_trace():
    engine = StreamingEngine(
        make_checkpoint(TINY),
        engine=EngineConfig(device='cpu', backend='torch', resize='device'),
    )
    with pytest.raises(ShapeError, match='expected uint8'):
        engine.apply(look(engine, np.zeros((48, 64), np.uint8), 0))
    assert rings_of(engine)[0].filled == [0]


@pytest.mark.parametrize('shape', [(40, 8_193), (8_193, 40), (16, 30)])
def test_a_device_is_left_no_image_whose_weights_grow_with_a_side(shape):
    """Of 64 million pixels in 224 rows each size of image would take a device 256 MB for good."""
    front_end = VideoFrontEnd(FrontEndSettings(config=TINY, resize=False))
    image = picture(*shape)
    size = TINY.video.input_size_px
    (prepared,) = front_end.prepare(frame_of(image))
    np.testing.assert_array_equal(prepared.image, resize_frame(frame_of(image), size))
    wide = picture(40, 8_192)
    (prepared,) = front_end.prepare(frame_of(wide))
    np.testing.assert_array_equal(prepared.image, wide)


@pytest.mark.parametrize('resize', [True, False])
@pytest.mark.parametrize('crop', [Crop(10, 20, 64), Crop(-20, 30, 80), Crop(70, 40, 20)])
def test_a_frame_of_one_person_is_its_crop(crop, resize):
    image = picture(100, 120)
    whole = Frame(stamp_ns=START_NS, arrival_ns=START_NS, image=image)
    settings = FrontEndSettings(config=TINY, resize=resize)
    padded = np.zeros((400, 400, 3), np.uint8)
    padded[100:200, 100:220] = image
    top, left = crop.top + 100, crop.left + 100
    alone = padded[top : top + crop.side, left : left + crop.side]
    (expected,) = VideoFrontEnd(settings).prepare(frame_of(np.ascontiguousarray(alone)))
    cropped = Frame(stamp_ns=START_NS, arrival_ns=START_NS, image=image, crop=crop)
    (got,) = VideoFrontEnd(settings).prepare(cropped)
    np.testing.assert_array_equal(got.image, expected.image)
    (other,) = VideoFrontEnd(settings).prepare(whole)
    assert not np.array_equal(got.image, other.image)
