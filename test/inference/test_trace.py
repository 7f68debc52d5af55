import dataclasses

import numpy as np
import pytest

from activity_recognition.config import SyncConfig
from activity_recognition.inference.trace import dense_recording, segments, to_batch
from activity_recognition.modalities import modalities_of
from activity_recognition.models.system import batch_keys, check_batch
from activity_recognition.streams import windows
from activity_recognition.types import AudioChunk, DecisionTime, Frame, Utterance, Window
from factories.networks import TINY, tokenizer_for
from factories.streams import JUMP_BACK_NS, START_NS, Scene, samples

SCENE = Scene(seed=2, duration_s=2.0)


def recording(trace, **keywords):
    return dense_recording(trace, TINY, tokenizer_for(TINY), **keywords)


@pytest.fixture(scope='module')
def trace():
    return list(windows(samples(SCENE), SyncConfig()))


def test_the_keys_are_those_of_forward(trace):
    (arrays,) = recording(trace)
    assert set(arrays) == set(batch_keys(modalities_of(TINY)))
    check_batch(to_batch(arrays), modalities_of(TINY))


@pytest.mark.parametrize('kind', [(), Frame, AudioChunk, Utterance])
def test_a_missing_modality_leaves_empty_arrays_of_the_right_shape(trace, kind):
    bare = [w._replace(samples=tuple(s for s in w.samples if isinstance(s, kind))) for w in trace]
    (arrays,) = recording(bare)
    check_batch(to_batch(arrays), modalities_of(TINY))
    assert arrays['frames'].shape[1:] == (32, 32, 3)
    assert arrays['spectrograms'].shape[1:] == (4, TINY.audio.num_mels)
    assert arrays['transcript_tokens'].shape[1:] == (TINY.text.max_length,)


def test_everything_admitted_is_there_once_in_order_of_arrival(trace):
    (arrays,) = recording(trace)
    taken = [sample for window in trace for sample in window.samples]
    for kind, prefix in ((Frame, 'frame'), (Utterance, 'transcript')):
        mine = [sample for sample in taken if isinstance(sample, kind)]
        assert arrays[f'{prefix}_stamps'].tolist() == [sample.stamp_ns for sample in mine]
        assert arrays[f'{prefix}_arrivals'].tolist() == [sample.arrival_ns for sample in mine]
        assert arrays[f'{prefix}_mask'].all()
    assert (np.diff(arrays['spectrogram_arrivals']) >= 0).all()
    due = [window.decision for window in trace if window.decision]
    assert arrays['decision_stamps'].tolist() == [decision.t_ns for decision in due]
    assert arrays['decision_arrivals'].tolist() == [decision.arrival_ns for decision in due]


def test_words_are_padded_with_masked_zeros(trace):
    (arrays,) = recording(trace)
    said = [s for w in trace for s in w.samples if isinstance(s, Utterance)]
    for row, utterance in enumerate(said):
        ids = tokenizer_for(TINY).encode(utterance.text)
        mask = arrays['transcript_token_mask'][row]
        assert arrays['transcript_tokens'][row][mask].tolist() == ids
        assert not arrays['transcript_tokens'][row][~mask].any()


def test_a_reset_begins_a_new_segment():
    scene = dataclasses.replace(SCENE, jumps=(1.0,))
    first, second = recording(list(windows(samples(scene), SyncConfig())))
    assert first['frame_stamps'].min() == START_NS
    assert second['frame_stamps'].max() < START_NS - JUMP_BACK_NS // 2


def test_empty_stretches_are_left_out():
    reset = Window(reset=True)
    decision = DecisionTime(t_ns=START_NS, arrival_ns=START_NS)
    assert recording([]) == []
    assert recording([reset, Window(), reset]) == []
    (arrays,) = recording([reset, Window(decision=decision), reset])
    assert arrays['decision_stamps'].tolist() == [START_NS]


def test_full_size_pictures_are_not_kept():
    large = np.zeros((480, 640, 3), np.uint8)
    frame = Frame(stamp_ns=START_NS, arrival_ns=START_NS, image=large)
    (segment,) = segments([Window(samples=(frame,))], TINY)
    assert segment.arrays['frames'].shape == (1, 32, 32, 3)


def test_the_spectrogram_follows_the_networks_dtype(trace):
    (arrays,) = recording(trace, dtype=np.float64)
    assert arrays['spectrograms'].dtype == np.float64
    check_batch(to_batch(arrays), modalities_of(TINY))
