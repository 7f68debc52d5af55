"""The image of a whole recording."""

import cv2
import pytest

from activity_recognition.errors import RecordingError
from activity_recognition.simulation import SimulationConfig, contact_sheet, simulate
from activity_recognition.types import Modality


@pytest.mark.parametrize('modalities', [tuple(Modality), (Modality.AUDIO,), (Modality.VIDEO,)])
def test_it_is_written_with_whatever_there_is(tmp_path, modalities):
    simulation = simulate(
        SimulationConfig(seed=1, duration_s=9, frame_rate_hz=4, modalities=modalities)
    )
    path = tmp_path / 'sheet.png'
    contact_sheet(simulation, path, every_s=1.0, columns=5)
    image = cv2.imread(str(path))
    assert image.shape[1] == 5 * 192
    assert image.std() > 5


def test_every_signal_has_a_strip(tmp_path):
    def sheet(*modalities):
        config = SimulationConfig(seed=1, duration_s=5, frame_rate_hz=2, modalities=modalities)
        contact_sheet(simulate(config), tmp_path / 'sheet.png', every_s=1.0, columns=5)
        return cv2.imread(str(tmp_path / 'sheet.png'))

    without = sheet(Modality.VIDEO, Modality.AUDIO)
    both = sheet(Modality.VIDEO, Modality.AUDIO, Modality.IMU)
    assert both.shape[0] == without.shape[0] + 160
    assert (both[: without.shape[0]] == without).all()
    assert both[without.shape[0] :].std() > 5


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    simulation = simulate(SimulationConfig(duration_s=2, frame_rate_hz=2))
    path = tmp_path / 'nowhere' / 'sheet.png'
    with pytest.raises(RecordingError, match='nowhere'):
        contact_sheet(simulation, path)
