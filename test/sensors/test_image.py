"""Raw images: every encoding against arrays made by hand and against rosbags-image."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.image import message_to_cvimage

from activity_recognition.errors import DecodeError, UnsupportedEncodingError
from activity_recognition.sensors import TypeRegistry, decode_image
from activity_recognition.sensors.image import IMAGE_ENCODINGS

WIDTH, HEIGHT = 10, 6
BAYER = ('bayer_rggb', 'bayer_bggr', 'bayer_gbrg', 'bayer_grbg')
REGISTRY = TypeRegistry(prefixes=())


def decode(cdr, arrival_ns=9, **options):
    return decode_image(REGISTRY.deserialise(cdr, 'sensor_msgs/msg/Image'), arrival_ns, **options)


@pytest.fixture
def rgb():
    return np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def with_alpha(pixels):
    return np.concatenate([pixels, np.full((HEIGHT, WIDTH, 1), 13, pixels.dtype)], axis=2)


def grey(values):
    return np.repeat(values[:, :, None], 3, axis=2)


COLOUR_LAYOUTS = {
    'rgb8': lambda rgb: rgb,
    'bgr8': lambda rgb: rgb[:, :, ::-1],
    'rgba8': with_alpha,
    'bgra8': lambda rgb: with_alpha(rgb[:, :, ::-1]),
    '8UC3': lambda rgb: rgb,
    '8UC4': with_alpha,
}


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', COLOUR_LAYOUTS)
def test_eight_bit_colour_in_any_order(encoding, padding, rgb, image_cdr):
    rows = np.ascontiguousarray(COLOUR_LAYOUTS[encoding](rgb)).reshape(HEIGHT, -1)
    frame = decode(image_cdr(encoding, rows, WIDTH, HEIGHT, padding=padding))
    np.testing.assert_array_equal(frame.image, rgb)
    assert frame.image.dtype == np.uint8
    assert frame.image.flags.c_contiguous


@pytest.mark.parametrize('bigendian', [False, True])
@pytest.mark.parametrize('padding', [0, 4])
@pytest.mark.parametrize('encoding', ['rgb', 'bgr', 'rgba', 'bgra'])
def test_sixteen_bit_colour_is_scaled_to_eight(encoding, padding, bigendian, rgb, image_cdr):
    deep = COLOUR_LAYOUTS[f'{encoding}8'](rgb).astype(np.uint16) * 257
    ordered = np.ascontiguousarray(deep.astype('>u2' if bigendian else '<u2'))
    rows = ordered.view(np.uint8).reshape(HEIGHT, -1)
    cdr = image_cdr(f'{encoding}16', rows, WIDTH, HEIGHT, padding=padding, bigendian=bigendian)
    np.testing.assert_array_equal(decode(cdr).image, rgb)


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_becomes_three_equal_channels(encoding, padding, rgb, image_cdr):
    frame = decode(image_cdr(encoding, rgb[:, :, 0], WIDTH, HEIGHT, padding=padding))
    np.testing.assert_array_equal(frame.image, grey(rgb[:, :, 0]))


@pytest.mark.parametrize('bigendian', [False, True])
@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_deep_grey_is_rounded_to_eight_bits(encoding, bigendian, image_cdr):
    values = np.random.default_rng(5).integers(0, 65536, (HEIGHT, WIDTH), np.uint16)
    rows = values.astype('>u2' if bigendian else '<u2').view(np.uint8)
    frame = decode(image_cdr(encoding, rows, WIDTH, HEIGHT, bigendian=bigendian, padding=2))
    np.testing.assert_array_equal(frame.image, grey(np.rint(values / 257).astype(np.uint8)))


def bayer_mosaic(pattern, colours):
    """Return the mosaic a sensor with this pattern sees of a flat colour."""
    mosaic = np.zeros((8, 8), np.uint8)
    for index, letter in enumerate(pattern):
        mosaic[index // 2 :: 2, index % 2 :: 2] = colours['rgb'.index(letter)]
    return mosaic


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_patterns_give_back_a_flat_colour(pattern, bits, image_cdr):
    mosaic = bayer_mosaic(pattern, (200, 90, 20))
    rows = mosaic if bits == 8 else (mosaic.astype('<u2') * 257).view(np.uint8)
    frame = decode(image_cdr(f'bayer_{pattern}{bits}', rows, 8, 8))
    np.testing.assert_array_equal(frame.image[2:-2, 2:-2], np.full((4, 4, 3), (200, 90, 20)))


def bt601(luma, blue, red):
    """Return RGB of limited-range BT.601, as floats."""
    scaled = 1.164 * (luma - 16.0)
    return np.stack(
        [
            scaled + 1.596 * (red - 128.0),
            scaled - 0.813 * (red - 128.0) - 0.391 * (blue - 128.0),
            scaled + 2.018 * (blue - 128.0),
        ],
        axis=-1,
    ).clip(0, 255)


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
def test_packed_yuv(encoding, padding, image_cdr):
    rng = np.random.default_rng(1)
    luma = rng.integers(60, 200, (HEIGHT, WIDTH), np.uint8)
    blue, red = rng.integers(100, 156, (2, HEIGHT, WIDTH // 2), np.uint8)
    packed = np.zeros((HEIGHT, WIDTH, 2), np.uint8)
    chroma, grey_channel = (0, 1) if encoding in ('yuv422', 'uyvy') else (1, 0)
    packed[:, :, grey_channel] = luma
    packed[:, ::2, chroma], packed[:, 1::2, chroma] = blue, red
    cdr = image_cdr(encoding, packed.reshape(HEIGHT, -1), WIDTH, HEIGHT, padding=padding)
    expected = bt601(luma, blue.repeat(2, axis=1), red.repeat(2, axis=1))
    np.testing.assert_allclose(decode(cdr).image, expected, atol=2)


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_planar_yuv(encoding, padding, image_cdr):
    rng = np.random.default_rng(1)
    luma = rng.integers(60, 200, (HEIGHT, WIDTH), np.uint8)
    blue, red = rng.integers(100, 156, (2, HEIGHT // 2, WIDTH // 2), np.uint8)
    pair = (blue, red) if encoding == 'nv12' else (red, blue)
    chroma = np.stack(pair, axis=-1).reshape(HEIGHT // 2, WIDTH)
    cdr = image_cdr(encoding, np.concatenate([luma, chroma]), WIDTH, HEIGHT, padding=padding)
    full = [plane.repeat(2, axis=0).repeat(2, axis=1) for plane in (blue, red)]
    np.testing.assert_allclose(decode(cdr).image, bt601(luma, *full), atol=2)


# Of the others rosbags-image takes 16UC1, 8UC1 and 8UC4 for no colour, and nv12 for grey.
@pytest.mark.parametrize(
    ('encoding', 'channels'),
    [
        *[(f'{name}{bits}', 1) for name in ('mono', *BAYER) for bits in (8, 16)],
        *[(name, 2) for name in ('uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2')],
        *[(f'{name}8', len(name)) for name in ('rgb', 'bgr', 'rgba', 'bgra')],
        *[(f'{name}16', len(name)) for name in ('rgb', 'bgr', 'rgba', 'bgra')],
        ('8UC3', 3),
    ],
)
def test_agrees_with_rosbags_image(encoding, channels, image_cdr):
    size = channels * (2 if encoding.endswith('16') else 1)
    rows = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH * size), np.uint8)
    cdr = image_cdr(encoding, rows, WIDTH, HEIGHT)
    reference = message_to_cvimage(REGISTRY.deserialise(cdr, 'sensor_msgs/msg/Image'), 'rgb8')
    # rosbags-image cuts the fraction of 16-bit values off where cv_bridge rounds.
    tolerance = 1 if encoding.endswith('16') else 0
    np.testing.assert_allclose(decode(cdr).image.astype(int), reference, atol=tolerance)


def test_tight_rgb_is_not_copied(image_cdr):
    cdr = image_cdr('rgb8', np.zeros((HEIGHT, WIDTH * 3), np.uint8), WIDTH, HEIGHT)
    assert np.shares_memory(decode(cdr).image, np.frombuffer(cdr, np.uint8))


def test_stamp_frame_and_arrival(image_cdr):
    rows = np.zeros((1, 3), np.uint8)
    frame = decode(image_cdr('rgb8', rows, 1, 1, header=(7_000_000_005, 'eye')), arrival_ns=11)
    assert (frame.stamp_ns, frame.arrival_ns, frame.frame_id) == (7_000_000_005, 11, 'eye')
    frame = decode(image_cdr('rgb8', rows, 1, 1, header=(0, '')), arrival_ns=11)
    assert (frame.stamp_ns, frame.arrival_ns) == (11, 11)


def test_a_stamp_that_is_no_time_is_refused(publisher, image_cdr):
    header = publisher.make(
        'std_msgs/msg/Header',
        stamp=publisher.make('builtin_interfaces/msg/Time', sec=-1, nanosec=0),
        frame_id='',
    )
    with pytest.raises(DecodeError, match='header stamp'):
        decode(image_cdr('rgb8', np.zeros((1, 3), np.uint8), 1, 1, header=header))


@pytest.mark.parametrize(
    ('encoding', 'overrides', 'reason'),
    [
        ('rgb8', {'width': 0}, 'empty image'),
        ('rgb8', {'height': 0}, 'empty image'),
        ('rgb8', {'step': 0}, 'data length'),
        ('rgb8', {'step': 29}, 'data length'),
        ('rgb8', {'step': 31}, 'data length'),
        ('rgb8', {'height': 7}, 'data length'),
        ('rgb8', {'height': 5}, 'data length'),
        ('rgb8', {'width': 2**31, 'height': 2**31}, 'allowed'),
        ('rgb8', {'width': 9000, 'height': 9000}, 'allowed'),
        ('bgr8', {'data': np.zeros(0, np.uint8)}, 'data length'),
        ('mono16', {'width': 16}, 'data length'),
        ('nv12', {'width': 30, 'height': 4, 'data': np.zeros(90, np.uint8)}, 'data length'),
    ],
)
def test_an_image_that_contradicts_itself_is_refused(encoding, overrides, reason, image_cdr):
    rows = np.zeros((HEIGHT, WIDTH * 3), np.uint8)
    with pytest.raises(DecodeError, match=reason):
        decode(image_cdr(encoding, rows, WIDTH, HEIGHT, overrides))


def test_an_odd_size_that_the_encoding_cannot_have_is_refused(image_cdr):
    with pytest.raises(DecodeError, match='even'):
        decode(image_cdr('yuv422', np.zeros((2, 6), np.uint8), 3, 2))
    with pytest.raises(DecodeError, match='even'):
        decode(image_cdr('nv12', np.zeros((4, 4), np.uint8), 4, 3))


@pytest.mark.parametrize('encoding', ['32FC1', '16SC1', 'RGB8', '', 'nv24', 'jpeg'])
def test_other_encodings_are_refused_with_the_known_ones(encoding, image_cdr):
    with pytest.raises(UnsupportedEncodingError, match='rgb8, bgr8'):
        decode(image_cdr(encoding, np.zeros((1, 4), np.uint8), 1, 1))


def test_the_same_bytes_from_a_memory_at_any_address(image_cdr):
    values = np.arange(HEIGHT * WIDTH, dtype='<u2').reshape(HEIGHT, WIDTH) * 500
    images = []
    for name in ('', 'a', 'ab', 'abc'):
        cdr = image_cdr('mono16', values.view(np.uint8), WIDTH, HEIGHT, header=(1, name))
        images.append(decode(cdr).image)
    for image in images[1:]:
        np.testing.assert_array_equal(image, images[0])


def test_opencv_threads_do_not_change_a_frame(image_cdr):
    rows = np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8)
    cdr = image_cdr('bayer_rggb8', rows, 640, 480)
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = decode(cdr).image
        cv2.setNumThreads(2)
        np.testing.assert_array_equal(decode(cdr).image, alone)
    finally:
        cv2.setNumThreads(threads)


@settings(max_examples=50)
@given(
    cut=st.integers(0, 300),
    flips=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=6),
    encoding=st.sampled_from(IMAGE_ENCODINGS),
)
def test_damaged_images_raise_nothing_but_decode_errors(image_cdr, cut, flips, encoding):
    cdr = bytearray(image_cdr(encoding, np.zeros((6, 24), np.uint8), 4, 4))
    for position, value in flips:
        cdr[position % len(cdr)] = value
    try:
        frame = decode(bytes(cdr[: len(cdr) - cut]))
    except DecodeError:
        return
    assert frame.image.ndim == 3
    assert frame.image.shape[2] == 3


BYTES_PER_PIXEL = {'rgb8': 3, 'bgra8': 4, 'mono8': 1, 'rgb16': 6, 'yuyv': 2, 'bayer_rggb8': 1}


@pytest.mark.parametrize(
    ('size', 'least_px', 'expected'),
    [
        ((1280, 720), 320, (640, 360)),
        ((1920, 1080), 320, (960, 540)),
        ((1920, 1080), 200, (480, 270)),
        ((640, 480), 320, (640, 480)),
        ((642, 482), 200, (321, 241)),
        ((641, 480), 200, (641, 480)),
    ],
)
@pytest.mark.parametrize('encoding', BYTES_PER_PIXEL)
def test_a_large_image_comes_at_half_its_size(encoding, size, least_px, expected, image_cdr):
    width, height = size
    if width % 2 and encoding == 'yuyv':
        return  # its pixels come in pairs
    row_bytes = width * BYTES_PER_PIXEL[encoding]
    rows = np.random.default_rng(1).integers(0, 256, (height, row_bytes), np.uint8)
    cdr = image_cdr(encoding, rows, width, height, padding=4)
    frame = decode(cdr, least_side_px=least_px)
    image = frame.image
    assert image.shape == (*expected[::-1], 3)
    assert frame.full_size == (None if size == expected else size)
    assert image.flags.c_contiguous
    whole = decode(cdr, least_side_px=max(size)).image
    assert whole.shape == (height, width, 3)
    area = cv2.resize(whole, expected, interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(int) - area).max() <= 1
