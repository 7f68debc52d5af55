"""Work spread over processes, with a progress bar, that ends promptly on Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar('Item')
Result = TypeVar('Result')


def make_progress(console: Console | None) -> Progress:
    """Return a progress display with elapsed and remaining time; None shows nothing."""
    return Progress(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
        TextColumn('{task.fields[note]}', markup=False),
        console=console,
        disable=console is None,
    )


def worker_count(wanted: int) -> int:
    """Return ``wanted`` processes, or one per core when it is 0."""
    return wanted or len(os.sched_getaffinity(0))


def spread(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    description: str,
    console: Console | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yield the index and the result of each item as it becomes ready.

    Args:
        work: a function of a module, so that another process can import it; should keep to a core.
        items: what to work on.
        workers: processes; with 1, or a single item, the work is done in this one.
        description: of the progress bar.
        console: where to show the bar; None shows none.

    Raises:
        Exception: whatever ``work`` raises, for the first item that fails.
    """
    with make_progress(console) as progress:
        task = progress.add_task(description, total=len(items), note=f'0 of {len(items)}')
        results = _results(work, items, min(workers, len(items)))
        for count, indexed in enumerate(results, start=1):
            progress.update(task, completed=count, note=f'{count} of {len(items)}')
            yield indexed


def _results(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[int, Result]]:
    if workers <= 1:
        yield from ((index, work(item)) for index, item in enumerate(items))
        return
    context = worker_context(work.__module__)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=init_worker)
    try:
        futures: dict[Future[Result], int] = {
            pool.submit(work, item): index for index, item in enumerate(items)
        }
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    pool.shutdown()


def worker_context(module: str) -> ForkServerContext:
    """Return what makes worker processes, forked from a server that has imported everything.

    A child of this process would inherit the locks of torch's threads but not the threads, and
    importing torch again in each takes longer than many a recording.

    Args:
        module: name of the module with the work; the server imports it when it starts.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([module])
    return context


def init_worker(_worker: int = 0) -> None:
    """Leave Ctrl-C to the parent, and end when it does; run first in a worker process.

    A parent that is killed sends its workers nothing: they would wait for work for ever, and keep
    open what they inherited.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
