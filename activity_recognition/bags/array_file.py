"""Arrays from a ``.npz`` file of others: nothing is unpickled, and nothing is taken on trust.

``numpy.load`` allocates what a file says it holds before it has seen it. Here the file, its
directory, what its arrays unpack to and what they claim are bounded first.
"""

from __future__ import annotations

import io
import math
import stat
import sys
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from activity_recognition.errors import RecordingError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MAX_BYTES = 256 * 1024 * 1024
"""Size of a file, and of all its arrays."""
MAX_VALUES = 32 * 1024 * 1024
"""Values of an array: twenty joints in space have so many in five hours at 30 Hz."""
MAX_ARRAYS = 64
"""Arrays of a file."""

_SUFFIX = '.npy'
_BLOCK_BYTES = 1024 * 1024
_KINDS = 'biufU'
"""Truth values, numbers and texts of fixed length; none of them holds objects."""
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those that NumPy writes; of the others a block may unpack to any length."""
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, OverflowError),
    *(NotImplementedError, RuntimeError),
)
"""What zipfile and NumPy raise for damaged files."""


class _BlockwiseFile(io.BufferedReader):
    """A file that is read in blocks only: its directory may claim any length."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, 'rb'))
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, all that are left where ``size`` is negative or None.

        Raises:
            ValueError: they are more than a block.
        """
        if size is None or size < 0:
            size = max(self._size - self.tell(), 0)
        if size > _BLOCK_BYTES:
            raise ValueError(f'its directory has more than {_BLOCK_BYTES} bytes')
        return super().read(size)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name: truth values, numbers or texts.

    Args:
        path: a ``.npz`` file as ``numpy.savez`` and ``savez_compressed`` write it.

    Raises:
        RecordingError: for a file that is none, is damaged, holds objects, or is beyond
            :data:`MAX_BYTES` or :data:`MAX_ARRAYS`.
    """
    try:
        _check_file(path)
        with _BlockwiseFile(path) as file, zipfile.ZipFile(file) as archive:
            return dict(_arrays(archive))
    except _DAMAGE as error:
        reason = getattr(error, 'strerror', None) or str(error) or type(error).__name__
        raise RecordingError(
            f'{path}: cannot read this as a .npz file of arrays: {reason[:300]}; write it with '
            'numpy.savez'
        ) from error


def _check_file(path: Path) -> None:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError('it is no file')
    if found.st_size > MAX_BYTES:
        raise ValueError(f'expected at most {MAX_BYTES} bytes, got {found.st_size}')


def _arrays(archive: zipfile.ZipFile) -> Iterator[tuple[str, NDArray[Any]]]:
    members = archive.infolist()
    if len(members) > MAX_ARRAYS:
        raise ValueError(f'expected at most {MAX_ARRAYS} arrays, got {len(members)}')
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_BYTES:
        raise ValueError(f'its arrays unpack to {unpacked} bytes; at most {MAX_BYTES} are read')
    names = [member.filename.removesuffix(_SUFFIX) for member in members]
    if len(set(names)) < len(names):
        raise ValueError('an array is in it twice')
    for name, member in zip(names, members, strict=True):
        if not member.filename.endswith(_SUFFIX):
            raise ValueError(f'it holds {quoted(member.filename)}, which is no array')
        if member.compress_type not in _PACKINGS:
            raise ValueError(f'{quoted(name)} is packed in another way than NumPy does')
        with archive.open(member) as file:
            content = b''.join(iter(lambda: file.read(_BLOCK_BYTES), b''))
        yield name, _array(name, content)


def _array(name: str, content: bytes) -> NDArray[Any]:
    """Return the array in the content of a ``.npy`` file, as a view of it."""
    file = io.BytesIO(content)
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f'{quoted(name)} has the unknown format {version}')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of headers that Python 2 wrote
            shape, by_columns, dtype = _HEADERS[version](file)
    except Exception as error:  # it is a literal of Python, whose parsers raise anything
        raise ValueError(f'{quoted(name)} has a damaged header: {quoted(str(error))}') from error
    if dtype.kind not in _KINDS or not dtype.itemsize:
        raise ValueError(
            f'{quoted(name)} holds {quoted(str(dtype))}; expected numbers or texts, and no objects'
        )
    if math.prod(shape) > MAX_VALUES:
        raise ValueError(f'{quoted(name)} has {math.prod(shape):.4g} values; at most {MAX_VALUES}')
    there = len(content) - file.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != there:
        raise ValueError(
            f'{quoted(name)} says that it holds {quoted(shape)} of {dtype}, and has {there} bytes'
        )
    if dtype.kind == 'U':
        letters = np.frombuffer(content, f'{dtype.byteorder}u4', offset=file.tell())
        if (
            letters.max(initial=0) > sys.maxunicode
        ):  # NumPy would make texts that Python cannot hold
            raise ValueError(f'{quoted(name)} holds what is no Unicode')
    flat = np.frombuffer(content, dtype, offset=file.tell())
    return flat.reshape(shape, order='F' if by_columns else 'C')
