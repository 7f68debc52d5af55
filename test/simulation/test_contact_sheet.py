"""The picture of a whole recording."""

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
    picture = cv2.imread(str(path))
    assert picture.shape[1] == 5 * 192
    assert picture.std() > 5


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    simulation = simulate(SimulationConfig(duration_s=2, frame_rate_hz=2))
    path = tmp_path / 'nowhere' / 'sheet.png'
    with pytest.raises(RecordingError, match='nowhere'):
        contact_sheet(simulation, path)
