"""Pictures of a recording that are damaged: counted, one by one, and the others are read."""

import cv2
import numpy as np
import pytest

from activity_recognition.bags import RecordingReader
from activity_recognition.types import Frame

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000


def picture(index, suffix):
    noise = np.random.default_rng(index).normal(127, 60, (120, 160, 3))
    done, payload = cv2.imencode(suffix, np.clip(cv2.blur(noise, (5, 5)), 0, 255).astype(np.uint8))
    assert done
    return payload.reshape(-1)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_damaged_pictures_are_counted_and_the_others_read(write_bag, ros2_bag, suffix, capfd):
    records = []
    for index in range(20):
        payload = picture(index, suffix)
        if index % 4 == 1:  # the middle was lost on its way
            payload = np.delete(payload, np.s_[payload.size // 2 : -12])
        stamp_ns = START_NS + index * 100 * MS
        message = ros2_bag.make(
            'sensor_msgs/msg/CompressedImage', header=stamp_ns, format=suffix[1:], data=payload
        )
        records.append(('/camera/image_raw/compressed', stamp_ns, message))
    with RecordingReader(write_bag(records)) as reader:
        frames = [sample for sample in reader.samples() if isinstance(sample, Frame)]
        assert reader.drops.counts == {'image payload': 5}
    taken = [(frame.stamp_ns - START_NS) // (100 * MS) for frame in frames]
    assert taken == [index for index in range(20) if index % 4 != 1]
    assert capfd.readouterr() == ('', '')
