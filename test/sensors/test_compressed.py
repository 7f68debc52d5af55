"""Compressed images: JPEG and PNG as image_transport and others write them."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import DecodeError, UnsupportedEncodingError
from activity_recognition.sensors import TypeRegistry, decode_image

REGISTRY = TypeRegistry(prefixes=())
RED_OVER_BLUE = np.array([[[250, 20, 10]] * 32] * 16 + [[[10, 20, 250]] * 32] * 16, np.uint8)


def encode(suffix, pixels):
    done, payload = cv2.imencode(suffix, pixels)
    assert done
    return payload.reshape(-1)


def jpeg(rgb=RED_OVER_BLUE):
    return encode('.jpg', np.ascontiguousarray(rgb[:, :, ::-1]))


def png(rgb=RED_OVER_BLUE):
    return encode('.png', np.ascontiguousarray(rgb[:, :, ::-1]))


@pytest.fixture(scope='module')
def decode(publisher, receive):
    def through(payload, image_format='jpeg', arrival_ns=9, header=(5, 'eye'), **options):
        data = np.frombuffer(bytes(payload), np.uint8)
        message = publisher.make(
            'sensor_msgs/msg/CompressedImage', header=header, format=image_format, data=data
        )
        return decode_image(receive(publisher, message), arrival_ns, **options)

    return through


@pytest.mark.parametrize(
    'image_format',
    ['jpeg', 'jpg', '', 'rgb8; jpeg compressed bgr8', 'bgr8; jpeg compressed bgr8'],
)
def test_jpeg_gives_the_colours_that_went_in(decode, image_format):
    frame = decode(jpeg(), image_format)
    inner = np.r_[0:12, 20:32]  # JPEG blurs colours where they meet
    np.testing.assert_allclose(frame.image[inner].astype(int), RED_OVER_BLUE[inner], atol=6)
    assert frame.image.flags.c_contiguous
    assert (frame.stamp_ns, frame.arrival_ns, frame.frame_id) == (5, 9, 'eye')


def shaded(width, height):
    """Smooth in both directions, each colour in another way."""
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    return np.stack((x, y, 255 - x), axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ('size', 'least_px', 'expected'),
    [
        ((1920, 1080), None, (960, 540)),
        ((1280, 720), None, (640, 360)),
        ((3840, 2160), None, (960, 540)),
        ((640, 480), None, (640, 480)),
        ((1920, 1080), 600, (1920, 1080)),
        ((640, 480), 60, (80, 60)),
        ((637, 481), 120, (160, 121)),  # rounded up, as libjpeg does
    ],
)
@pytest.mark.parametrize('image_format', ['jpeg', 'rgb8; jpeg compressed rgb8'])
def test_a_large_jpeg_comes_at_a_part_of_its_size(decode, size, least_px, expected, image_format):
    options = {} if least_px is None else {'least_side_px': least_px}
    pixels = shaded(*size)
    stored = pixels[..., ::-1] if image_format != 'jpeg' else pixels
    image = decode(jpeg(stored), image_format, **options).image
    assert image.shape == (*expected[::-1], 3)
    assert image.flags.c_contiguous
    area = cv2.resize(pixels, expected, interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(int) - area).max() <= 6


def test_a_png_comes_whole(decode):
    assert decode(png(shaded(1280, 720))).image.shape == (720, 1280, 3)


def test_padding_behind_a_jpeg_hides_nothing(decode):
    padded = bytes(jpeg()) + bytes(5000)
    assert decode(padded).image.shape == RED_OVER_BLUE.shape


@pytest.mark.parametrize('image_format', ['png', 'rgb8; png compressed bgr8'])
def test_png_is_exact(decode, image_format):
    np.testing.assert_array_equal(decode(png(), image_format).image, RED_OVER_BLUE)


@pytest.mark.parametrize(
    'image_format', ['rgb8; png compressed rgb8', 'bgr8; png compressed rgb8', 'rgba8; png']
)
def test_files_stored_with_swapped_colours_are_swapped_back(decode, image_format):
    # compressed_image_transport names the order its encoder was given: anything but BGR is swapped.
    swapped = encode('.png', RED_OVER_BLUE)
    np.testing.assert_array_equal(decode(swapped, image_format).image, RED_OVER_BLUE)


def test_grey_and_deep_and_transparent_files_become_rgb(decode):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    image = decode(encode('.png', grey), 'mono8; png compressed mono8').image
    np.testing.assert_array_equal(image, expected)
    image = decode(encode('.png', grey.astype(np.uint16) * 257), '16UC1; png compressed ').image
    np.testing.assert_array_equal(image, expected)
    clear = np.dstack([RED_OVER_BLUE[:, :, ::-1], np.zeros((32, 32, 1), np.uint8)])
    np.testing.assert_array_equal(decode(encode('.png', clear), 'png').image, RED_OVER_BLUE)


def test_an_orientation_tag_does_not_turn_the_image(decode):
    tiff = struct.pack('>2sHIHHHIHHI', b'MM', 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    body = b'Exif\0\0' + tiff
    payload = jpeg().tobytes()
    tagged = payload[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + payload[2:]
    turned = cv2.imdecode(np.frombuffer(tagged, np.uint8), cv2.IMREAD_COLOR)
    assert turned[0, 0].tolist() != turned[0, -1].tolist()
    np.testing.assert_array_equal(decode(tagged).image, decode(payload).image)


@pytest.mark.parametrize('options', [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]])
def test_sizes_are_read_from_any_jpeg(decode, options):
    done, payload = cv2.imencode('.jpg', np.zeros((24, 40, 3), np.uint8), options)
    assert done
    assert decode(payload).image.shape == (24, 40, 3)
    with pytest.raises(DecodeError, match='40 x 24 pixels are more than the 959 allowed'):
        decode(payload, max_pixels=959)


def png_chunk(kind, body):
    crc = zlib.crc32(kind + body)
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', crc)


def test_a_png_that_claims_to_be_huge_is_refused_undecoded(decode):
    header = png_chunk(b'IHDR', struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0))
    body = png_chunk(b'IDAT', zlib.compress(b'\0')) + png_chunk(b'IEND', b'')
    with pytest.raises(DecodeError, match='60000 x 60000'):
        decode(b'\x89PNG\r\n\x1a\n' + header + body, 'png')


@pytest.mark.parametrize('payload', [jpeg(), png()], ids=['jpeg', 'png'])
@pytest.mark.parametrize('part', [0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused(decode, payload, part):
    with pytest.raises(DecodeError):
        decode(payload[: int(len(payload) * part)])


def test_padding_after_the_end_is_harmless(decode):
    padded = jpeg().tobytes() + bytes(20_000)
    np.testing.assert_array_equal(decode(padded).image, decode(jpeg()).image)


@pytest.mark.parametrize('payload', [b'', b'\xff\xd8\xff\xd9', b'GIF89a', b'\x89PNG\r\n\x1a\nIEND'])
def test_what_is_no_image_is_refused(decode, payload):
    with pytest.raises(DecodeError):
        decode(payload)


def test_depth_is_refused_with_advice(decode):
    with pytest.raises(UnsupportedEncodingError, match='colour camera'):
        decode(png(), '16UC1; compressedDepth png')
    with pytest.raises(UnsupportedEncodingError, match='jpeg or png'):
        decode(b'RIFF....WEBP', 'webp')


@settings(max_examples=50)
@given(
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 400),
    kind=st.sampled_from(['jpeg', 'png']),
)
def test_damaged_files_raise_nothing_but_decode_errors(decode, flips, cut, kind):
    damaged = bytearray((jpeg() if kind == 'jpeg' else png()).tobytes())
    for position, value in flips:
        damaged[position % len(damaged)] = value
    try:
        frame = decode(damaged[: max(0, len(damaged) - cut)], kind, max_pixels=1_000_000)
    except DecodeError:
        return
    assert frame.image.ndim == 3
    assert frame.image.size <= 3_000_000
