"""Choosing topics: by type where one fits, with a sentence where several would."""

import pytest

from activity_recognition.bags import Topic, TopicNames
from activity_recognition.bags.topics import choose_topics
from activity_recognition.errors import RecordingError
from activity_recognition.types import Modality

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
STAMPED = 'audio_common_msgs/msg/AudioDataStamped'
BARE = 'audio_common_msgs/msg/AudioData'
CARRIED = 'audio_common_msgs/msg/AudioStamped'
INFO = 'audio_common_msgs/msg/AudioInfo'
STRING, LIVE = 'std_msgs/msg/String', 'hri_msgs/msg/LiveSpeech'


def topics(**types):
    return [
        Topic(name='/' + name.replace('__', '/'), type_name=kind, count=3)
        for name, kind in types.items()
    ]


def test_one_of_each_is_found():
    chosen = choose_topics(
        topics(cam__image=IMAGE, mic__audio=STAMPED, mic__audio_info=INFO, asr=LIVE, odom='a/msg/B')
    )
    assert chosen == TopicNames(
        image='/cam/image', audio='/mic/audio', audio_info='/mic/audio_info', transcript='/asr'
    )
    assert chosen.roles() == {
        '/cam/image': 'image',
        '/mic/audio': 'audio',
        '/mic/audio_info': 'audio_info',
        '/asr': 'transcript',
    }


@pytest.mark.parametrize(
    ('found', 'image'),
    [
        ({'cam__image': IMAGE, 'cam__image__compressed': COMPRESSED}, '/cam/image'),
        ({'cam__image__compressed': COMPRESSED}, '/cam/image/compressed'),
        ({'rgb__image': IMAGE, 'depth__image': IMAGE}, '/rgb/image'),
        (
            {'cam__image__compressed': COMPRESSED, 'cam__image__compressedDepth': COMPRESSED},
            '/cam/image/compressed',
        ),
    ],
)
def test_a_twin_or_a_depth_image_is_passed_over(found, image):
    assert choose_topics(topics(**found)).image == image


def test_audio_with_stamps_goes_before_audio_without():
    assert choose_topics(topics(audio=BARE, audio_stamped=STAMPED)).audio == '/audio_stamped'
    assert choose_topics(topics(audio=BARE, other=CARRIED)).audio == '/other'
    assert choose_topics(topics(audio=BARE)).audio == '/audio'


def test_the_info_in_the_audios_namespace_is_taken():
    found = topics(left__audio=STAMPED, left__audio_info=INFO, right__audio_info=INFO)
    assert choose_topics(found).audio_info == '/left/audio_info'
    assert choose_topics(topics(cam=IMAGE, right__audio_info=INFO)).audio_info == ''


def test_a_string_is_a_transcript_only_by_its_name():
    assert choose_topics(topics(cam=IMAGE, robot_description=STRING)).transcript == ''
    assert choose_topics(topics(speech__text=STRING, mood=STRING)).transcript == '/speech/text'
    assert choose_topics(topics(asr=LIVE, speech=STRING)).transcript == '/asr'


@pytest.mark.parametrize(
    'found',
    [
        {'left': IMAGE, 'right': IMAGE},
        {'cam': IMAGE, 'a': STAMPED, 'b': STAMPED},
        {'cam': IMAGE, 'one_asr': LIVE, 'two_asr': LIVE},
        {'x__audio': STAMPED, 'y__info': INFO, 'z__info': INFO},
    ],
)
def test_several_candidates_have_to_be_named(found):
    with pytest.raises(RecordingError, match=r'several topics could be the .*name the one'):
        choose_topics(topics(**found))


def test_names_given_are_used_and_empty_ones_leave_out():
    found = topics(left=IMAGE, right=IMAGE, asr=LIVE)
    chosen = choose_topics(found, TopicNames(image='/right', transcript=''))
    assert chosen == TopicNames(image='/right', audio='', audio_info='', transcript='')


def test_a_name_that_does_not_exist_lists_what_does():
    with pytest.raises(RecordingError, match=r"'/front' .* /left \(sensor_msgs/msg/Image, 3\)"):
        choose_topics(topics(left=IMAGE), TopicNames(image='/front'))


def test_nothing_to_use_is_an_error():
    with pytest.raises(RecordingError, match=r'found /odom \(nav_msgs/msg/Odometry, 3\)'):
        choose_topics(topics(odom='nav_msgs/msg/Odometry'))
    empty = [Topic(name='/cam', type_name=IMAGE, count=0)]
    expected = 'no topic that can be used: expected one for image, audio'
    with pytest.raises(RecordingError, match=expected):
        choose_topics(empty)


IMU = 'sensor_msgs/msg/Imu'


def test_a_sensor_that_nobody_asked_for_is_left_alone():
    found = topics(cam__image=IMAGE, robot__imu=IMU)
    assert choose_topics(found).imu is None
    assert choose_topics(found, TopicNames(imu='auto')).imu == '/robot/imu'
    assert choose_topics(found, TopicNames(imu='/robot/imu')).imu == '/robot/imu'
    assert choose_topics(found, needed=(Modality.IMU,)).imu == '/robot/imu'


def test_auto_finds_the_usual_ones_too():
    found = topics(cam__image=IMAGE, robot__imu=IMU)
    assert choose_topics(found, TopicNames(image='auto')).image == '/cam/image'
