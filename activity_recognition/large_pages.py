"""Have the memory of a process in large pages: a step of the engine reads all weights, every time.

With pages of 4 KiB a processor spends part of that on finding them. glibc (2.35 and newer) asks the
kernel for pages of 2 MiB where it is told so before the process starts; others take no notice. How
much it brings: docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Mapping

VARIABLE = 'GLIBC_TUNABLES'
TUNABLE = 'glibc.malloc.hugetlb'
"""Documented in the manual of the GNU C library, "Memory Allocation Tunables"."""


def large_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to the environment of a process that is to be started.

    Args:
        environment: that it would have; what is set there about large pages stays.
    """
    given = environment.get(VARIABLE, '')
    if TUNABLE in given:
        return {}
    return {VARIABLE: ':'.join(filter(None, (given, f'{TUNABLE}=1')))}
