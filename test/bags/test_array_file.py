"""Files of arrays that others made: what is read of them, and that nothing else happens."""

import io
import pickle
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from activity_recognition.bags import KeyPointArrays
from activity_recognition.bags.array_file import MAX_ARRAYS, MAX_BYTES, read_arrays
from activity_recognition.errors import RecordingError
from factories.bodies import SIZE_PX, STANDING

RAN = []


class Bomb:
    """Something that acts when it is unpickled."""

    def __reduce__(self):
        return RAN.append, ('it ran',)


def npy(array=None, *, header='', data=b'', version=b'\x01\x00'):
    """Return the content of a .npy file: of an array, or with a header that may say anything."""
    if array is not None:
        file = io.BytesIO()
        np.lib.format.write_array(file, np.asarray(array))
        return file.getvalue()
    text = header.encode() + b'\n'
    return b'\x93NUMPY' + version + struct.pack('<H', len(text)) + text + data


def header(shape, descr="'<f4'", order='False'):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, save):
    wanted = {
        'a': np.arange(6.0).reshape(2, 3),
        'by_columns': np.asfortranarray(np.arange(6, dtype='>i2').reshape(2, 3)),
        'text': np.array(['one', 'zwölf']),
        'one': np.array('name'),
        'none': np.zeros((0, 3)),
        'true': np.array([True, False]),
        'half': np.ones(3, np.float16),
    }
    save(tmp_path / 'a.npz', **wanted)
    found = read_arrays(tmp_path / 'a.npz')
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


class TestRefusals:
    @pytest.mark.parametrize(
        ('content', 'reason'),
        [
            (npy(header=header((2**40,)), data=b'\0' * 8), r'has 1.1e\+12 values'),
            (npy(header=header((1024,)), data=b'\0' * 8), 'says that it holds .*, and has 8 bytes'),
            (npy(header=header((1,)), data=b'\0' * 8), 'and has 8 bytes'),
            (npy(header=header((-1, -2)), data=b'\0' * 8), 'says that it holds'),
            (npy(header=header((0, 2**70))), 'Maximum allowed|too large|int'),
            (npy(header=header((2,), "'|O'"), data=b'\0' * 16), 'and no objects'),
            (npy(header=header((2,), "[('a', '|O')]"), data=b'\0' * 16), 'and no objects'),
            (npy(header=header((2,), "'<U0'")), 'expected numbers or texts'),
            (npy(header=header((2,), "'<c8'"), data=b'\0' * 16), 'expected numbers or texts'),
            (npy(header='[' * 5000), 'damaged header'),
            (npy(header='(' * 9000 + ')' * 9000), 'damaged header'),
            (npy(header="__import__('os')"), 'damaged header'),
            (npy(header='{}', version=b'\x07\x00'), 'unknown format'),
            (b'PK\x03\x04', 'a.npz'),
            (b'', 'a.npz'),
            (pickle.dumps(Bomb()), 'a.npz'),
        ],
    )
    def test_arrays_that_lie(self, tmp_path, content, reason):
        path = write(tmp_path / 'a.npz', {'joints.npy': content})
        with pytest.raises(RecordingError, match=reason) as refused:
            read_arrays(path)
        assert len(str(refused.value)) < 700 + len(str(path))

    def test_nothing_is_unpickled(self, tmp_path):
        objects = np.empty(2, object)
        objects[:] = [Bomb(), Bomb()]
        np.savez(tmp_path / 'a.npz', joints=objects)
        with pytest.raises(RecordingError, match='and no objects'):
            read_arrays(tmp_path / 'a.npz')
        assert not RAN

    def test_what_is_no_such_file(self, tmp_path):
        (tmp_path / 'text.npz').write_text('a,b\n')
        np.save(tmp_path / 'one.npy', np.zeros(3))
        write(tmp_path / 'other.npz', {'readme.txt': 'words'})
        for name in ('missing.npz', '.', 'text.npz', 'one.npy', 'other.npz'):
            with pytest.raises(RecordingError, match=r'cannot read this as a \.npz file'):
                read_arrays(tmp_path / name)

    def test_bombs_are_not_unpacked(self, tmp_path):
        zeros = npy(header=header((2**26,)), data=bytes(2**28))
        deflated = write(tmp_path / 'a.npz', {'joints.npy': zeros}, zipfile.ZIP_DEFLATED)
        bzip = write(tmp_path / 'b.npz', {'joints.npy': bytes(2**24)}, zipfile.ZIP_BZIP2)
        assert deflated.stat().st_size < 2**19
        del zeros
        tracemalloc.start()
        with pytest.raises(RecordingError, match=f'at most {MAX_BYTES} are read'):
            read_arrays(deflated)
        with pytest.raises(RecordingError, match='packed in another way than NumPy does'):
            read_arrays(bzip)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**23

    def test_a_size_that_is_too_small_in_the_directory(self, tmp_path):
        """The directory says 100 bytes, and 16 MB would come."""
        path = write(tmp_path / 'a.npz', {'joints.npy': bytes(2**24)}, zipfile.ZIP_DEFLATED)
        content = bytearray(path.read_bytes())
        place = content.rindex(b'PK\x01\x02')
        content[place + 24 : place + 28] = struct.pack('<I', 100)
        path.write_bytes(content)
        tracemalloc.start()
        with pytest.raises(RecordingError, match=r'Bad CRC-32'):
            read_arrays(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**23

    def test_many_members(self, tmp_path):
        small = npy(1.0)
        path = write(tmp_path / 'a.npz', {f'{index}.npy': small for index in range(MAX_ARRAYS + 1)})
        with pytest.raises(RecordingError, match='at most 64 arrays, got 65'):
            read_arrays(path)
        path = write(tmp_path / 'b.npz', {f'{index:0200}.npy': small for index in range(5000)})
        with pytest.raises(RecordingError, match='its directory has more than'):
            read_arrays(path)

    def test_a_name_twice(self, tmp_path):
        path = write(tmp_path / 'a.npz', {'a.npy': npy(1.0), 'b.npy': npy(1.0)})
        path.write_bytes(path.read_bytes().replace(b'b.npy', b'a.npy'))
        with pytest.raises(RecordingError, match='twice'):
            read_arrays(path)


def damaged(content, number):
    """Return a file with some bytes changed, cut out, or of another file's middle."""
    chance = random.Random(number)
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        place = chance.randrange(len(changed))
        kind = chance.randrange(4)
        if kind == 0:
            changed[place] = chance.randrange(256)
        elif kind == 1:
            del changed[place : place + chance.randrange(1, 40)]
        elif kind == 2:
            changed[place:place] = bytes(chance.randrange(256) for _ in range(8))
        else:
            changed[place : place + 4] = chance.choice((b'\xff' * 4, bytes(4), b'\x7f\xff\xff\xff'))
    return bytes(changed)


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_damaged_files_are_key_points_or_recording_errors(tmp_path, save):
    file = io.BytesIO()
    save(
        file,
        joints=np.tile(np.array(list(STANDING.values()), np.float32), (5, 1, 1)),
        names=list(STANDING),
        t_s=np.arange(5) / 10,
        image_size=SIZE_PX,
        scores=np.ones((5, 17)),
        imu=np.ones((4, 6)),
        imu_t_s=np.arange(4.0),
        imu_units=['g', 'rad/s'],
    )
    path = tmp_path / 'a.npz'
    read = 0
    for number in range(600):
        path.write_bytes(damaged(file.getvalue(), number))
        try:
            frames = list(KeyPointArrays.read(path).frames(10**18))
        except RecordingError:
            continue
        read += 1
        assert len(frames) == 5
    assert read < 300


def test_damaged_arrays_are_key_points_or_recording_errors(tmp_path):
    """The same behind the checksums: whatever stands in the arrays and in their headers."""
    members = {
        'joints': npy(np.tile(np.array(list(STANDING.values()), np.float64), (3, 1, 1))),
        'names': npy(list(STANDING)),
        't_s': npy(np.arange(3) / 10),
        'image_size': npy(SIZE_PX),
        'scores': npy(np.ones((3, 17))),
        'imu': npy(np.ones((4, 6))),
        'imu_t_s': npy(np.arange(4.0)),
        'imu_units': npy(['g', 'rad/s']),
    }
    for number in range(600):
        name = list(members)[number % len(members)]
        content = {**members, name: damaged(members[name], number)}
        path = write(tmp_path / 'a.npz', {f'{key}.npy': value for key, value in content.items()})
        try:
            arrays = KeyPointArrays.read(path)
            list(arrays.frames(10**18))
            for sensor in arrays.beside.values():
                list(sensor.messages(10**18))
        except RecordingError:
            continue
