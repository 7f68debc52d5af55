"""What a decision costs while it happens: recordings streamed through the engine, one by one."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from activity_recognition.bags import RecordingReader
from activity_recognition.config import EngineConfig, SmoothingConfig, SyncConfig
from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.inference.threads import threads_restored
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.recorded import DEFAULTS, RecordedConfig
from activity_recognition.streams import windows
from activity_recognition.training.pool import make_progress
from activity_recognition.types import Window, seconds_between

_LEAST_OF_ONE = 100
"""Decisions taken from one recording, if it has as many: the engine's memory has to fill."""
_HISTOGRAM_BINS = 30
_STATUS = Path('/proc/self/status')


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What was measured."""

    latencies_s: tuple[float, ...]
    """Of each decision: taking in what came since the last one, and deciding."""
    busy_s: float
    """All work of the engine."""
    stream_s: float
    """Length of what was streamed."""
    device: str
    peak_memory_mib: float
    """Most memory that this process ever held."""
    peak_device_memory_mib: float | None
    """Most memory held on the accelerator; None without one."""


def measure_cost(
    checkpoint: Checkpoint,
    recordings: Sequence[Path],
    *,
    decisions: int,
    sync: SyncConfig,
    smoothing: SmoothingConfig,
    engine: EngineConfig,
    recorded: Mapping[Path, RecordedConfig] | None = None,
    console: Console | None = None,
) -> Cost:
    """Stream recordings through the engine as fast as it goes, as a node would have them.

    Reading and decoding a recording is not counted. Threads are set back afterwards.

    Args:
        checkpoint: what to run.
        recordings: where the windows come from; of each about the same number of decisions.
        decisions: how many to take at most.
        sync: admission and decision rate.
        smoothing: how answers are smoothed.
        engine: device, precision and threads.
        recorded: how the topics of each recording are read; by default as they are found.
        console: where to show progress.
    """
    with threads_restored():
        runner = StreamingEngine(checkpoint, engine=engine, smoothing=smoothing)
        runner.warm_up()
        sources = [(path, (recorded or {}).get(path, DEFAULTS)) for path in recordings]
        return _stream(runner, sources, decisions, sync, console)


def cost_in_numbers(cost: Cost | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return ``latency_ms`` and ``cost`` for JSON; without a measurement, None for all of it."""
    if cost is None or not cost.latencies_s:
        return dict.fromkeys(('p50', 'p95', 'p99', 'mean', 'max')), None
    latencies_ms = np.asarray(cost.latencies_s) * 1e3
    p50, p95, p99, tail = np.percentile(latencies_ms, [50, 95, 99, 99.5]).tolist()
    latency = {
        'p50': p50,
        'p95': p95,
        'p99': p99,
        'mean': float(latencies_ms.mean()),
        'max': float(latencies_ms.max()),
    }
    # The few above the last edge are counted in its bin, so that one does not flatten the figure.
    counts, edges = np.histogram(np.minimum(latencies_ms, tail), _HISTOGRAM_BINS, (0.0, tail))
    return latency, {
        'decisions': len(cost.latencies_s),
        'decisions_per_s': len(cost.latencies_s) / cost.busy_s,
        'real_time_factor': cost.busy_s / cost.stream_s if cost.stream_s > 0 else None,
        'busy_s': cost.busy_s,
        'stream_s': cost.stream_s,
        'peak_memory_mib': cost.peak_memory_mib,
        'peak_device_memory_mib': cost.peak_device_memory_mib,
        'device': cost.device,
        'histogram': {'edges_ms': edges.tolist(), 'counts': counts.tolist()},
    }


def _stream(
    engine: StreamingEngine,
    recordings: Sequence[tuple[Path, RecordedConfig]],
    decisions: int,
    sync: SyncConfig,
    console: Console | None,
) -> Cost:
    latencies_s: list[float] = []
    busy_s = stream_s = 0.0
    share = max(_LEAST_OF_ONE, -(-decisions // max(1, len(recordings))))
    with make_progress(console) as bar:
        task = bar.add_task('timing', total=decisions, note='')
        for recording, recorded in recordings:
            engine.reset()
            wanted = min(share, decisions - len(latencies_s))
            first_ns = last_ns = 0
            for window in _first_windows(engine, recording, recorded, sync, wanted):
                began_s = time.perf_counter()
                decision = engine.apply(window)
                took_s = time.perf_counter() - began_s
                busy_s += took_s
                if decision is not None:
                    latencies_s.append(took_s)
                    first_ns = first_ns or decision.arrival_ns
                    last_ns = decision.arrival_ns
                    bar.advance(task)
            stream_s += seconds_between(last_ns, first_ns)
    return Cost(
        latencies_s=tuple(latencies_s),
        busy_s=busy_s,
        stream_s=stream_s,
        device=engine.device_name,
        peak_memory_mib=_peak_memory_mib(),
        peak_device_memory_mib=_peak_device_memory_mib(engine.precision.device),
    )


def _first_windows(
    engine: StreamingEngine,
    recording: Path,
    recorded: RecordedConfig,
    sync: SyncConfig,
    decisions: int,
) -> Iterator[Window]:
    """Yield the windows up to the given number of decisions."""
    if decisions < 1:
        return
    with RecordingReader.for_model(recording, engine.config, sync, recorded) as reader:
        for window in windows(reader.samples(), sync):
            yield window
            decisions -= window.decision is not None
            if not decisions:
                return


def _peak_memory_mib() -> float:
    """Return the most memory this process held; the kernel's count where there is one (proc(5)).

    Elsewhere that of getrusage(2), which begins with what the process that started it held.
    """
    try:
        lines = _STATUS.read_text(encoding='utf-8').splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith('VmHWM:'))) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _peak_device_memory_mib(device: torch.device) -> float | None:
    if device.type != 'cuda':
        return None
    return torch.cuda.max_memory_allocated(device) / 2**20
