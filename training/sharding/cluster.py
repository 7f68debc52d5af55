"""Work spread over a Ray cluster, with the interface of :func:`activity_recognition.training.pool`.

Ray is an extra: it is imported when it is asked for.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from activity_recognition.errors import MissingExtraError
from activity_recognition.training.pool import make_progress

Item = TypeVar('Item')
Result = TypeVar('Result')


def spread_over_cluster(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    description: str,
    console: Console | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yield the index and the result of each item as it becomes ready, one core for each.

    The cluster is the one that the process is connected to, else the one that ``RAY_ADDRESS``
    names, else one of this machine that ends with the work. Its nodes need this package, and see
    the same files.

    Args:
        work: a function of a module, which every node can import.
        items: what to work on.
        description: of the progress bar.
        console: where to show the bar; None shows none.

    Raises:
        MissingExtraError: Ray is not installed.
        Exception: whatever ``work`` raises, for the first item that fails.
    """
    ray = _ray()
    connected_before = ray.is_initialized()
    if not connected_before:
        _connect(ray)
    try:
        task = ray.remote(num_cpus=1)(work)
        indices = {task.remote(item): index for index, item in enumerate(items)}
        with make_progress(console) as progress:
            bar = progress.add_task(description, total=len(items), note=f'0 of {len(items)}')
            while indices:
                [ready], _ = ray.wait(list(indices), num_returns=1)
                yield indices.pop(ready), _value(ray, ready)
                done = len(items) - len(indices)
                progress.update(bar, completed=done, note=f'{done} of {len(items)}')
    finally:
        if not connected_before:
            ray.shutdown()


def _connect(ray: Any) -> None:
    """Connect to a cluster, or start one.

    Ray puts the current folder in front of its workers' module path, and a checkout has a folder of
    the package's name that is not the package: hence from another folder.
    """
    here = Path.cwd()
    os.chdir(tempfile.gettempdir())
    try:
        ray.init(log_to_driver=False, include_dashboard=False)
    finally:
        os.chdir(here)


def _value(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause or error) from None


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f'a Ray cluster needs the Python package {error.name}, which is not installed for '
            f"{sys.executable}: python3 -m pip install 'ray>=2.9' (the extra [ray]), or use "
            '--engine processes'
        ) from None
    return ray
