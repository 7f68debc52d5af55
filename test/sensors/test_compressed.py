"""Compressed images: JPEG and PNG as image_transport and others write them."""

import struct
import sys
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity_recognition.errors import DecodeError, UnsupportedEncodingError
from activity_recognition.sensors import TypeRegistry, decode_image
from activity_recognition.sensors.decoders import Drops

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
    frame = decode(jpeg(stored), image_format, **options)
    image = frame.image
    assert image.shape == (*expected[::-1], 3)
    assert frame.full_size == (None if size == expected else size)
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


# What a payload may cost, and damage that only the decoder sees.


@pytest.fixture(scope='module')
def photo():
    """A picture with edges and fine structure, so that its code fills many bytes."""
    rng = np.random.default_rng(0)
    pixels = cv2.GaussianBlur(rng.normal(127, 90, (240, 320, 3)), (0, 0), 1.5)
    pixels = pixels + shaded(320, 240) / 2
    return np.clip(pixels, 0, 255).astype(np.uint8)


def jpeg_as(pixels, *options):
    done, payload = cv2.imencode('.jpg', np.ascontiguousarray(pixels[:, :, ::-1]), list(options))
    assert done
    return payload.tobytes()


JPEG_KINDS = {
    'baseline': (),
    'progressive': (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'with restarts': (cv2.IMWRITE_JPEG_RST_INTERVAL, 20),
    'optimised': (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
}


@pytest.mark.parametrize('kind', JPEG_KINDS)
@pytest.mark.parametrize('image_format', ['jpeg', 'rgb8; jpeg compressed rgb8'])
def test_a_jpeg_has_the_pixels_that_opencv_gives(decode, photo, kind, image_format):
    payload = jpeg_as(photo, *JPEG_KINDS[kind])
    expected = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR)
    if image_format == 'jpeg':
        expected = expected[:, :, ::-1]
    np.testing.assert_array_equal(decode(payload, image_format).image, expected)


@pytest.mark.parametrize('part', [2, 4, 8])
def test_a_part_of_a_jpeg_has_the_pixels_that_opencv_gives(decode, photo, part):
    payload = jpeg_as(photo)
    flag = {
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    expected = cv2.imdecode(np.frombuffer(payload, np.uint8), flag[part])[:, :, ::-1]
    got = decode(payload, least_side_px=240 // part).image
    np.testing.assert_array_equal(got, expected)


def refused(decode, payloads):
    """Return how many of the payloads are refused as damaged."""
    drops = Drops()
    for payload in payloads:
        try:
            decode(payload)
        except DecodeError as error:
            drops.add(error)
    assert set(drops.counts) == {'image payload'}
    return drops.total


@pytest.mark.parametrize('kind', JPEG_KINDS)
def test_a_jpeg_with_a_part_missing_is_refused(decode, photo, kind, capfd):
    payload = jpeg_as(photo, *JPEG_KINDS[kind])
    rng = np.random.default_rng(1)
    cuts = rng.integers(700, len(payload) - 2, 40)
    assert refused(decode, [payload[:cut] for cut in cuts]) == 40
    assert refused(decode, [payload[:cut] + b'\xff\xd9' for cut in cuts]) >= 39
    holes = rng.integers(700, len(payload) - 600, 40)
    lost = [payload[:hole] + payload[hole + 400 :] for hole in holes]
    assert refused(decode, lost) >= 25
    assert capfd.readouterr() == ('', '')


def test_a_jpeg_with_flipped_bits_is_refused_where_the_code_breaks(decode, photo, capfd):
    payload = jpeg_as(photo, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    rng = np.random.default_rng(2)
    damaged = []
    for _ in range(60):
        flipped = bytearray(payload)
        for position in rng.integers(700, len(payload) - 2, 8):
            flipped[position] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    # A bit that changes a coefficient, and no code, stays unseen.
    assert refused(decode, damaged) >= 30
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('num_bytes', [1, 4, 16])
def test_bytes_that_a_camera_leaves_before_a_marker_are_harmless(decode, photo, num_bytes, capfd):
    payload = jpeg_as(photo, cv2.IMWRITE_JPEG_RST_INTERVAL, 20)
    left_over = bytes(range(1, num_bytes + 1))
    for marker in (b'\xff\xd0', b'\xff\xd3'):
        payload = payload.replace(marker, left_over + marker, 1)
    expected = decode(jpeg_as(photo, cv2.IMWRITE_JPEG_RST_INTERVAL, 20)).image
    np.testing.assert_array_equal(decode(payload).image, expected)
    assert capfd.readouterr() == ('', '')


def test_more_bytes_than_a_camera_leaves_are_damage(decode, photo):
    payload = jpeg_as(photo, cv2.IMWRITE_JPEG_RST_INTERVAL, 20)
    with pytest.raises(DecodeError, match=r'damaged: .* 17 extraneous bytes before marker 0xd3'):
        decode(payload.replace(b'\xff\xd3', b'x' * 17 + b'\xff\xd3', 1))


def test_fill_bytes_and_missing_huffman_tables_are_harmless(decode, photo):
    payload = jpeg_as(photo)
    expected = decode(payload).image
    filled = payload.replace(b'\xff\xc4', b'\xff' * 500 + b'\xff\xc4', 1)
    np.testing.assert_array_equal(decode(filled).image, expected)
    bare, position = payload[:2], 2
    while payload[position + 1] != 0xDA:
        (length,) = struct.unpack_from('>H', payload, position + 2)
        if payload[position + 1] != 0xC4:
            bare += payload[position : position + 2 + length]
        position += 2 + length
    # Cameras leave the standard tables out of every picture of a stream.
    np.testing.assert_array_equal(decode(bare + payload[position:]).image, expected)


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        (b'JFIF\0\1\1', b'JFIF\0\x09\1'),
        (b'\3\1\0\2\x11\3\x11\0\x3f\0', b'\3\1\0\2\x11\3\x11\0\0\0'),
        (b'\xff\xdb', b'x' * 16 + b'\xff\xdb'),
        (b'\xff\xdb', b'\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\7\xff\xdb'),
    ],
    ids=['revision', 'scan parameters', 'bytes between segments', 'Adobe colours'],
)
def test_oddities_of_a_header_are_harmless(decode, photo, before, after, capfd):
    payload = jpeg_as(photo)
    assert before in payload
    image = decode(payload.replace(before, after, 1)).image
    np.testing.assert_array_equal(image, decode(payload).image)
    assert capfd.readouterr() == ('', '')


def test_behind_an_oddity_of_the_header_damage_is_seen(decode, photo):
    payload = jpeg_as(photo).replace(b'JFIF\0\1\1', b'JFIF\0\x09\1', 1)
    with pytest.raises(DecodeError, match=r'damaged: .*premature end'):
        decode(payload[:9_000] + b'\xff\xd9')
    with pytest.raises(DecodeError, match='no image behind it'):
        decode(payload.replace(b'\xff\xdb', b'x' * 17 + b'\xff\xdb', 1))
    with pytest.raises(DecodeError, match='no image behind it'):
        decode(payload.replace(b'\xff\xdb', b'\xff\x01' * 1_001 + b'\xff\xdb', 1))


def test_chroma_subsampling_that_is_not_known_is_refused(decode, photo):
    payload = bytearray(jpeg_as(photo))
    payload[payload.index(b'\xff\xc0') + 11] = 0x42
    with pytest.raises(DecodeError, match='chroma subsampling that is not supported'):
        decode(payload)


def with_scans(payload, num_more):
    """Repeat the header of the last scan, with nothing in it."""
    begin = payload.rindex(b'\xff\xda')
    (length,) = struct.unpack_from('>H', payload, begin + 2)
    return payload[:-2] + payload[begin : begin + 2 + length] * num_more + payload[-2:]


@pytest.fixture
def no_decoding(monkeypatch):
    """Fail where pixels are decoded."""
    from activity_recognition.sensors import jpeg, png

    def reached(*_, **__):
        raise AssertionError('it was decoded')

    monkeypatch.setattr(jpeg.simplejpeg, 'decode_jpeg', reached)
    monkeypatch.setattr(png.cv2, 'imdecode', reached)


def test_a_jpeg_of_thousands_of_scans_is_refused_undecoded(decode, photo, no_decoding):
    payload = jpeg_as(photo, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    with pytest.raises(DecodeError, match='5010 scans of 76800 pixels; expected at most 100'):
        decode(with_scans(payload, 5000))
    with pytest.raises(DecodeError, match=r'40 scans .* at most 100 scans and 1000000 pixels'):
        decode(with_scans(payload, 30), max_pixels=100_000)


@pytest.mark.parametrize('prefix', [b'', b'\xff'])
def test_scans_are_counted_at_even_and_odd_places(decode, photo, no_decoding, prefix):
    payload = with_scans(jpeg_as(photo, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 91)
    with pytest.raises(DecodeError, match='101 scans'):
        decode(payload.replace(b'\xff\xc4', prefix + b'\xff\xc4', 1))


def claiming(payload, width, height):
    """Change the size in a JPEG's frame header."""
    begin = max(payload.find(b'\xff\xc0'), payload.find(b'\xff\xc2'))
    return payload[: begin + 5] + struct.pack('>HH', height, width) + payload[begin + 9 :]


@pytest.mark.parametrize('kind', ['baseline', 'progressive'])
def test_a_jpeg_that_cannot_hold_what_it_claims_is_refused_undecoded(decode, no_decoding, kind):
    payload = jpeg_as(RED_OVER_BLUE, *JPEG_KINDS[kind])
    with pytest.raises(DecodeError, match=r'\d+ bytes cannot hold the 8000 x 8000 pixels'):
        decode(claiming(payload, 8000, 8000))


@pytest.mark.parametrize('kind', JPEG_KINDS)
def test_a_blank_picture_fits_any_bound(decode, kind):
    blank = np.full((1080, 1920, 3), 128, np.uint8)
    image = decode(jpeg_as(blank, *JPEG_KINDS[kind])).image
    assert (image == 128).all()


@pytest.mark.parametrize(
    'filling',
    [b'\xff' * 8_000_000, b'\xff\x01' * 4_000_000, b'\xff\xe0\0\2' * 2_000_000],
    ids=['fill bytes', 'markers', 'empty segments'],
)
def test_a_payload_without_an_image_is_not_walked_in_python(decode, filling):
    # A call in Python for each byte, marker or segment would be counted.
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        with pytest.raises(DecodeError, match='no header'):
            decode(b'\xff\xd8' + filling + b'\xff\xd9')
    finally:
        sys.settrace(before)
    assert 0 < calls < 5_000


def png_of(*chunks):
    return b'\x89PNG\r\n\x1a\n' + b''.join(png_chunk(*chunk) for chunk in chunks)


def chunks_of(payload):
    position = 8
    while position < len(payload):
        (length,) = struct.unpack_from('>I', payload, position)
        yield payload[position + 4 : position + 8], payload[position + 8 : position + 8 + length]
        position += 12 + length


@pytest.mark.parametrize('bit', range(32))
def test_a_png_with_a_flipped_length_is_refused_undecoded(decode, photo, no_decoding, bit):
    payload = bytearray(png(photo[:24, :32]))
    begin = payload.index(b'IDAT') - 4
    (length,) = struct.unpack_from('>I', payload, begin)
    struct.pack_into('>I', payload, begin, length ^ 1 << bit)
    with pytest.raises(DecodeError, match=r'PNG image (is damaged|is cut short|has more than)'):
        decode(payload, 'png')


def test_a_png_with_any_flipped_bit_is_refused_in_silence(decode, capfd):
    payload = png().tobytes()
    accepted = 0
    for position in range(8, len(payload)):
        flipped = bytearray(payload)
        flipped[position] ^= 1 << position % 8
        try:
            decode(flipped, 'png')
        except DecodeError:
            continue
        accepted += 1
    assert accepted == 0
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize(
    ('depth', 'colours', 'width', 'height', 'match'),
    [
        (8, 2, 8000, 8000, '8000 x 8000 pixels that the header claims'),
        (16, 6, 4000, 4000, '4000 x 4000 pixels that the header claims'),
        (8, 5, 30, 30, 'colour type 5 with 8 bits'),
        (3, 2, 30, 30, 'colour type 2 with 3 bits'),
        (8, 2, 0, 30, 'empty image'),
        (8, 2, 2**31, 2**31, 'more than the'),
    ],
)
def test_a_png_that_cannot_hold_what_it_claims_is_refused_undecoded(
    decode, no_decoding, depth, colours, width, height, match
):
    header = struct.pack('>IIBBBBB', width, height, depth, colours, 0, 0, 0)
    payload = png_of((b'IHDR', header), (b'IDAT', zlib.compress(bytes(50_000))), (b'IEND', b''))
    with pytest.raises(DecodeError, match=match):
        decode(payload, 'png')


def test_a_png_of_a_million_chunks_is_refused_early(decode, no_decoding):
    many = png_chunk(b'tEXt', b'') * 1_000_000
    payload = png().tobytes()
    with pytest.raises(DecodeError, match='more than 12718 chunks'):
        decode(payload[:33] + many + payload[33:], 'png')


def test_what_a_png_says_beside_the_picture_is_not_unpacked(decode, monkeypatch):
    from activity_recognition.sensors import png as module

    given = []
    decoder = module.cv2.imdecode
    monkeypatch.setattr(
        module.cv2,
        'imdecode',
        lambda data, flags: given.append(data.tobytes()) or decoder(data, flags),
    )
    header, *rest = chunks_of(png().tobytes())
    bomb = b'comment\0\0' + zlib.compress(bytes(7_000_000))
    animation = (b'acTL', struct.pack('>II', 2**31 - 1, 0))
    stuffed = png_of(header, (b'zTXt', bomb), animation, (b'gAMA', b'\0\0\1\1'), *rest)
    np.testing.assert_array_equal(decode(stuffed, 'png').image, RED_OVER_BLUE)
    assert given == [png().tobytes()]


def test_a_png_that_needs_a_chunk_of_its_own_is_refused(decode, no_decoding):
    first, *rest = chunks_of(png().tobytes())
    with pytest.raises(DecodeError, match="cannot be read without its chunk b'CgBI'"):
        decode(png_of((b'CgBI', b'\x50\0\x20\2'), first, *rest), 'png')


def test_palettes_and_transparency_of_a_png_are_kept(decode):
    palette = bytes([250, 20, 10, 10, 20, 250])
    rows = b''.join(b'\0' + bytes([row // 16] * 32) for row in range(32))
    payload = png_of(
        (b'IHDR', struct.pack('>IIBBBBB', 32, 32, 8, 3, 0, 0, 0)),
        (b'tEXt', b'Title\0x'),
        (b'PLTE', palette),
        (b'tRNS', b'\xff\x00'),
        (b'IDAT', zlib.compress(rows)),
        (b'IEND', b''),
    )
    np.testing.assert_array_equal(decode(payload, 'png').image, RED_OVER_BLUE)


@pytest.mark.parametrize(
    'payload',
    [
        b'GIF89a' + bytes(100),
        b'RIFF\x20\0\0\0WEBPVP8 ' + bytes(100),
        b'II*\0' + bytes(100),
        b'MM\0*' + bytes(100),
        b'\0\0\0\x20ftypavif' + bytes(100),
        b'\0\0\0\x0cjP  \r\n\x87\n' + bytes(100),
        b'BM' + bytes(100),
        b'P6 4 4 255 ' + bytes(48),
        b'\x76\x2f\x31\x01' + bytes(100),
        b'#?RADIANCE\n' + bytes(100),
    ],
    ids=['gif', 'webp', 'tiff', 'big-endian tiff', 'avif', 'jpeg2000', 'bmp', 'ppm', 'exr', 'hdr'],
)
def test_other_formats_never_reach_a_decoder(decode, no_decoding, payload):
    with pytest.raises(UnsupportedEncodingError, match='neither JPEG nor PNG'):
        decode(payload, 'jpeg')


def test_a_format_is_quoted_in_part(decode):
    with pytest.raises(UnsupportedEncodingError) as caught:
        decode(b'GIF89a', 'x' * 100_000)
    assert len(str(caught.value)) < 400
