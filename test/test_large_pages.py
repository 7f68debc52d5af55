"""How a process is started that reads all its memory over and over again."""

import os
import subprocess
import sys

import pytest

from activity_recognition.large_pages import large_pages

ASKED = {'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1'}


@pytest.mark.parametrize(
    ('given', 'added'),
    [
        ({}, ASKED),
        ({'GLIBC_TUNABLES': ''}, ASKED),
        (
            {'GLIBC_TUNABLES': 'glibc.malloc.arena_max=2'},
            {'GLIBC_TUNABLES': 'glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1'},
        ),
        ({'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=0'}, {}),
        (ASKED, {}),
    ],
)
def test_they_are_asked_for_unless_somebody_has_said_otherwise(given, added):
    assert large_pages(given) == added


def test_a_process_that_asks_for_them_starts():
    """Also where the library is another, or the kernel has none."""
    environment = {**os.environ, **large_pages({})}
    code = 'x = bytearray(64 << 20); x[::4096] = bytes(len(x) // 4096); print(sum(x))'
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '0\n', '')
