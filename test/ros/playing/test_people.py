"""Recordings of several people on real topics: who is there, and what is true of each."""

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('hri_msgs')

from activity_recognition.bags import PersonTopicsWriter, RecordingWriter, write_labels
from activity_recognition.persons import Box, PersonRegion, Sighting
from activity_recognition.types import LabelSpan, Utterance

from .conftest import LATCHED, LOSSY, MS, RELIABLE, START_NS, nanoseconds, samples

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

TOPICS = {
    'bodies/tracked': ('hri_msgs/msg/IdsList', RELIABLE),
    'bodies/b1/roi': ('hri_msgs/msg/NormalizedRegionOfInterest2D', LOSSY),
    'persons/tracked': ('hri_msgs/msg/IdsList', LATCHED),
    'persons/ann/body_id': ('std_msgs/msg/String', LATCHED),
    'persons/ann/voice_id': ('std_msgs/msg/String', LATCHED),
    'voices/voice_ann/speech': ('hri_msgs/msg/LiveSpeech', RELIABLE),
}


@pytest.fixture(scope='module')
def people(tmp_path_factory):
    """A recording of Ann, who is seen in every image and says a word, and of labels of two."""
    path = tmp_path_factory.mktemp('recordings') / 'people'
    with RecordingWriter(path, start_ns=START_NS) as writer:
        tracker = PersonTopicsWriter(writer, width_px=32, height_px=24)
        for sample in samples():
            writer.write(sample)
            if hasattr(sample, 'image'):
                arrival_ns = sample.arrival_ns
                region = PersonRegion(
                    body='b1',
                    stamp_ns=sample.stamp_ns,
                    arrival_ns=arrival_ns,
                    box=Box(8, 6, 16, 18),
                )
                tracker.write(
                    Sighting(
                        stamp_ns=sample.stamp_ns,
                        arrival_ns=arrival_ns,
                        camera='camera',
                        regions=(region,),
                        bodies={'ann': 'b1'},
                    )
                )
            elif isinstance(sample, Utterance):
                tracker.write_speech('ann', sample)
    write_labels(
        path / 'labels.csv',
        [
            LabelSpan(start_s=0.0, end_s=0.8, label='walking', subject='ann'),
            LabelSpan(start_s=1.2, end_s=1.5, label='none', subject='ann'),
            LabelSpan(start_s=0.5, end_s=1.0, label='eating', subject='ben'),
        ],
    )
    return path


@pytest.mark.parametrize(('arguments', 'root'), [((), '/humans'), (('/here',), '/here/humans')])
def test_who_is_there_is_played_in_the_namespace_with_stamps_moved_to_now(
    stage, people, finish, arguments, root
):
    namespace = [word for name in arguments for word in ('-r', f'__ns:={name}')]
    sensors = ('image', 'audio', 'transcript')
    remapped = [word for name in sensors for word in ('-r', f'{name}:=/{name}')]
    ears = stage.listen(**{f'{root}/{name}': kind for name, kind in TOPICS.items()})
    player = stage.play(people, *namespace, *remapped)
    finish(player)
    for name, count in (('bodies/tracked', 20), ('voices/voice_ann/speech', 2)):
        ears.wait_count(f'{root}/{name}', count)
    for name in ('persons/tracked', 'persons/ann/body_id', 'persons/ann/voice_id'):
        ears.wait_count(f'{root}/{name}', 1)
    ears.wait_count('/image', 20)
    ears.wait_count(f'{root}/bodies/b1/roi', 1)
    assert [m.data for m in ears.read(f'{root}/persons/ann/body_id')] == ['b1']
    # A region belongs to an image by its stamp, so both are moved by the same distance.
    lists = ears.read(f'{root}/bodies/tracked')
    assert [list(m.ids) for m in lists] == [['b1']] * 20
    images = ears.stamps('/image')
    assert [nanoseconds(m.header.stamp) for m in lists] == images
    regions = ears.read(f'{root}/bodies/b1/roi')
    assert {nanoseconds(m.header.stamp) for m in regions} <= set(images)
    assert {(m.xmin, m.ymin, m.xmax, m.ymax) for m in regions} == {(0.25, 0.25, 0.5, 0.75)}
    said = ears.read(f'{root}/voices/voice_ann/speech')
    assert [m.final for m in said] == ['hello', 'good bye']
    assert 'left out' not in player.playback.summary()


def test_the_truth_of_each_person_is_published_with_the_subject(stage, people, finish):
    ears = stage.listen('/activity_truth')
    finish(stage.play(people))
    ears.wait_count('/activity_truth', 6)
    truth = ears.read('/activity_truth')
    start_ns = nanoseconds(truth[0].header.stamp)
    found = {
        subject: [
            (round((nanoseconds(m.header.stamp) - start_ns) / MS), m.label)
            for m in truth
            if m.subject_id == subject
        ]
        for subject in ('ann', 'ben')
    }
    assert found == {
        'ann': [(0, 'walking'), (800, ''), (1200, 'none'), (1500, '')],
        'ben': [(500, 'eating'), (1000, '')],
    }
