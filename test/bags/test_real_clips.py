"""Real clips: every kind of sound track, and what their list says of them."""

import csv

import numpy as np
import pytest

from activity_recognition.bags import RecordingReader, import_clip
from activity_recognition.types import AudioChunk, Frame

pytestmark = pytest.mark.real


@pytest.fixture(scope='module')
def fights(real_recordings):
    folder = real_recordings / 'fights'
    with (folder / 'clips.csv').open(encoding='utf-8') as file:
        return [(folder / 'clips' / f'{row["clip"]}.mp4', row) for row in csv.DictReader(file)]


@pytest.mark.parametrize('audio', ['audible', 'silent', 'none'])
@pytest.mark.parametrize('label', ['fight', 'no_fight'])
def test_clips_become_recordings_of_what_they_have(fights, tmp_path, audio, label):
    chosen = [clip for clip in fights if (clip[1]['audio'], clip[1]['label']) == (audio, label)]
    for path, row in chosen[::20]:
        imported = import_clip(path, tmp_path / row['clip'])
        with RecordingReader(imported.path) as reader:
            samples = list(reader.samples())
            assert reader.drops.counts == {}
        frames = [sample for sample in samples if isinstance(sample, Frame)]
        duration_s = float(row['duration_s'])
        assert imported.skipped == {}
        assert len(frames) == pytest.approx(15 * duration_s, abs=2)
        steps_ns = np.diff([frame.stamp_ns for frame in frames])
        np.testing.assert_allclose(steps_ns / 1e9, 1 / 15, atol=1e-6)
        assert frames[0].image.shape[0] == 160
        chunks = [sample.samples for sample in samples if isinstance(sample, AudioChunk)]
        assert bool(chunks) == (audio != 'none')
        if chunks:
            sound = np.concatenate(chunks)
            assert len(sound) / 16_000 == pytest.approx(duration_s, abs=0.15)
            volume_db = 20 * np.log10(max(np.sqrt(np.mean(np.square(sound))), 1e-6))
            if audio == 'audible':
                # The list was measured before the sound was mixed down, which shifts it by 3 dB.
                assert volume_db == pytest.approx(float(row['mean_volume_db']), abs=4)
            else:
                assert volume_db < -60


def test_sound_files_become_recordings_without_pictures(real_recordings, tmp_path):
    path = sorted((real_recordings / 'esc10' / 'clips').glob('*.ogg'))[0]
    imported = import_clip(path, tmp_path / 'out')
    assert imported.samples['video'] == 0
    assert imported.seconds['audio'] == pytest.approx(5.0, abs=0.1)
    with RecordingReader(imported.path) as reader:
        assert reader.roles.image == ''
        assert {type(sample) for sample in reader.samples()} == {AudioChunk}
