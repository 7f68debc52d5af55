"""Whatever reads recordings for a network gets the pixels that a node with it decodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from activity_recognition.bags import RecordingReader, RecordingWriter
from activity_recognition.config import EngineConfig, ModelConfig, SmoothingConfig, SyncConfig
from activity_recognition.inference import MultiStreamEngine, StreamingEngine
from activity_recognition.inference.precision import choose_precision
from activity_recognition.inference.resizing import resize_frame
from activity_recognition.inference.trace_file import TracedEngine, read_trace
from activity_recognition.models.checkpoint import Checkpoint
from activity_recognition.sensors import DecoderSettings, Role, SensorDecoders
from activity_recognition.sensors.size import LEAST_SIDE_PX
from activity_recognition.streams import InputCounters, windows
from activity_recognition.training.data.cache import preprocessing, recording_key
from activity_recognition.training.data.preprocessing import preprocess_recording
from activity_recognition.training.evaluation.cost import measure_cost
from activity_recognition.training.evaluation.replaying import replay
from activity_recognition.types import MODALITIES, NANOSECONDS, Frame, Modality, Window
from factories.networks import TINY, make_checkpoint

FRAMES = 6
WIDTH_PX, HEIGHT_PX = 1920, 1080
BOUND_PX = 600
"""Above the bound that all networks share, and above the half of the images' height."""


def with_side(side_px: int) -> ModelConfig:
    return dataclasses.replace(TINY, video=dataclasses.replace(TINY.video, input_size_px=side_px))


LARGE = with_side(BOUND_PX)


def still(number: int) -> NDArray[np.uint8]:
    """Return a picture whose fine stripes another way of making it smaller would not keep."""
    down, right = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    image = np.stack((right * (3 + number), down * 5, (right + down) * 7), axis=-1)
    return (image % 256).astype(np.uint8)


@pytest.fixture(scope='module', params=['jpeg', 'raw'])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of a 1080p camera."""
    path = tmp_path_factory.mktemp('large') / request.param
    start_ns = 1_700_000_000 * NANOSECONDS
    with RecordingWriter(path, start_ns=start_ns, image=request.param) as writer:
        for number in range(FRAMES):
            stamp_ns = start_ns + number * NANOSECONDS // 5
            writer.write(Frame(stamp_ns=stamp_ns, arrival_ns=stamp_ns, image=still(number)))
    return path


def as_the_node_has_them(recording: Path, model: ModelConfig) -> list[Frame]:
    """Decode the messages as ``ros.recognizing.stream_inputs.StreamInputs`` does."""
    decoders = SensorDecoders(DecoderSettings(model=model))
    with RecordingReader(recording) as reader:
        records = list(reader.records([reader.roles.image]))
    found = [decoders.decode(Role.IMAGE, r.type_name, r.cdr, r.record_ns) for r in records]
    assert len(found) == FRAMES
    return [frame for frame in found if isinstance(frame, Frame)]


@pytest.mark.parametrize('side_px', [32, LEAST_SIDE_PX, LEAST_SIDE_PX + 64, BOUND_PX])
def test_training_gets_the_pixels_of_the_node(recording: Path, side_px: int):
    model = with_side(side_px)
    live = as_the_node_has_them(recording, model)
    [segment] = preprocess_recording(recording, model, SyncConfig()).segments
    expected = np.stack([resize_frame(frame, side_px) for frame in live])
    np.testing.assert_array_equal(segment.arrays['frames'], expected)


def test_the_bound_of_a_large_network_changes_the_pixels(recording: Path):
    """Else the test above could not fail."""
    small, large = (as_the_node_has_them(recording, model) for model in (TINY, LARGE))
    assert (small[0].image.shape[0], large[0].image.shape[0]) == (540, 1080)
    assert (resize_frame(small[0], BOUND_PX) != resize_frame(large[0], BOUND_PX)).any()


def test_what_is_timed_has_the_size_of_the_node(
    recording: Path, monkeypatch: pytest.MonkeyPatch, large: Checkpoint
):
    seen: list[Frame] = []
    apply: Callable[..., object] = StreamingEngine.apply

    def watched(engine: StreamingEngine, window: Window) -> object:
        seen.extend(s for s in window.samples if isinstance(s, Frame))
        return apply(engine, window)

    monkeypatch.setattr(StreamingEngine, 'warm_up', lambda _: None)
    monkeypatch.setattr(StreamingEngine, 'apply', watched)
    measure_cost(
        large,
        [recording],
        decisions=2,
        sync=SyncConfig(),
        smoothing=SmoothingConfig(),
        engine=EngineConfig(device='cpu', num_threads=1, backend='torch'),
    )
    live = as_the_node_has_them(recording, LARGE)
    assert seen
    for mine, node in zip(seen, live, strict=False):
        np.testing.assert_array_equal(mine.image, node.image)


def test_a_trace_of_a_node_finds_its_frames_again(
    recording: Path, tmp_path: Path, large: Checkpoint
):
    """Frames are found by their pixels: of another size, all would be missing."""
    engine = MultiStreamEngine(large, engine=EngineConfig(device='cpu', num_threads=1))
    engine.join('')
    path = tmp_path / 'trace.jsonl'
    traced = TracedEngine(engine, path, smoothing=SmoothingConfig())
    for window in windows(as_the_node_has_them(recording, LARGE), SyncConfig()):
        traced.apply({'': window})
    counters = {modality: InputCounters() for modality in MODALITIES}
    traced.close(counters, decisions_skipped=0, failed_steps=0)
    precision = choose_precision(EngineConfig(device='cpu'))
    found = replay(read_trace(path), recording, large, precision, SyncConfig())
    assert found.recorded[Modality.VIDEO] == FRAMES
    assert found.missing == 0
    assert found.comparable.all()


def test_only_networks_above_the_bound_have_it_in_their_key(recording: Path):
    sync = SyncConfig()
    # What checkpoints remember of the recordings they were made with has to stay.
    assert recording_key(recording, LARGE, sync) != recording_key(recording, TINY, sync)
    assert 'least_side_px' not in preprocessing(TINY, sync)
    assert 'least_side_px' not in preprocessing(with_side(LEAST_SIDE_PX), sync)
    assert preprocessing(LARGE, sync)['least_side_px'] == BOUND_PX


@pytest.fixture(scope='module')
def large() -> Checkpoint:
    return make_checkpoint(LARGE)
