"""The monitor on real topics, and the account of frames from diagnostics."""

import threading

import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402

from activity_recognition.commands.demo import score_person  # noqa: E402
from activity_recognition.commands.live_run import ticking_tree  # noqa: E402
from activity_recognition.commands.watching import Watch  # noqa: E402
from activity_recognition.msg import ActivityStamped, ModalityEvidence  # noqa: E402
from activity_recognition.ros.accounting import image_account, is_settled  # noqa: E402
from activity_recognition.ros.monitor_node import MOST_PEOPLE, Monitor  # noqa: E402
from activity_recognition.ros.qos import LATCHED_QOS  # noqa: E402
from activity_recognition.types import Status  # noqa: E402

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]


def test_frames_are_accounted_for_from_both_ends():
    player = {'image.published': '100', 'state': 'finished'}
    recognizer = {
        'received': '97',
        'used': '90',
        'dropped: overload': '4',
        'dropped: unreadable': '2',
        'dropped: rate': '0',
    }
    account = image_account(player, recognizer)
    assert account == {
        'published': 100,
        'received': 97,
        'used': 90,
        'dropped': {'overload': 4, 'unreadable': 2},
        'lost': 3,
        'unaccounted': 1,
        'lost_fraction': pytest.approx(0.03),
    }


@pytest.mark.parametrize(
    ('player', 'recognizer'),
    [({}, {'received': '1'}), ({'image.published': '1'}, {}), ({}, {})],
)
def test_there_is_no_account_while_one_side_is_silent(player, recognizer):
    assert image_account(player, recognizer) is None


@pytest.mark.parametrize(
    ('before', 'now', 'settled'),
    [
        ({}, {'received': '5', 'waiting': '0'}, False),
        ({'received': '4'}, {'received': '5', 'waiting': '0'}, False),
        ({'received': '5'}, {'received': '5', 'waiting': '1'}, False),
        ({'received': '5'}, {'received': '5', 'waiting': '0'}, True),
        ({}, {}, False),
    ],
)
def test_all_is_settled_when_nothing_comes_and_nothing_waits(before, now, settled):
    assert is_settled(before, now) is settled


def decision(seconds, label, status=Status.OK):
    message = ActivityStamped(status=int(status), label=label, confidence=0.5, latency_s=0.01)
    message.header.stamp.sec = seconds
    message.evidence = [ModalityEvidence(modality='audio', present=True, age_s=0.5, weight=0.25)]
    return message


def wait_for(condition):
    pause = threading.Event()
    for _ in range(3000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError('this did not happen in time')


def test_it_hears_decisions_truth_and_diagnostics(monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', '93')
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('world', namespace='/here', context=context)
    truth = node.create_publisher(ActivityStamped, 'activity_truth', LATCHED_QOS)
    truth.publish(decision(100, 'walking'))
    activity = node.create_publisher(ActivityStamped, 'activity', 10)
    reports = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
    try:
        with Monitor(['--ros-args', '-r', '__ns:=/here']) as monitor:
            wait_for(lambda: activity.get_subscription_count() and reports.get_subscription_count())
            wait_for(lambda: monitor.log.truth_known)
            status = DiagnosticStatus(
                level=DiagnosticStatus.WARN,
                name='/here/player: playback',
                message='playing at 1 s',
            )
            other = DiagnosticStatus(name='/elsewhere/player: playback', message='not ours')
            for count in ('1', '2'):
                status.values = [KeyValue(key='image.published', value=count)]
                reports.publish(DiagnosticArray(status=[status, other]))
            activity.publish(decision(103, 'walking'))
            wait_for(
                lambda: monitor.log.received() and monitor.status('player', 'playback')[0] == 2
            )
            expected = {'image.published': '2', 'message': 'playing at 1 s', 'level': '1'}
            assert monitor.status('player', 'playback')[1] == expected
            assert monitor.status('/elsewhere/player', 'playback') == (
                2,
                {'message': 'not ours', 'level': '0'},
            )
            assert monitor.status('recognizer', 'image') == (0, {})
            view = monitor.log.view()
            assert (view.truth, view.newest.answer, view.elapsed_s) == ('walking', 'walking', 3.0)
            assert view.weights == {'audio': 0.25}
            truth.publish(decision(104, '', Status.NO_DATA))
            wait_for(lambda: monitor.log.truth_complete)
    finally:
        node.destroy_node()
        context.try_shutdown()


def test_what_is_said_of_people_is_kept_by_subject(world):
    truth = world.create_publisher(ActivityStamped, 'activity_truth', LATCHED_QOS)
    activities = world.create_publisher(ActivityStamped, 'activities', 10)
    activity = world.create_publisher(ActivityStamped, 'activity', 10)

    def of(subject, *given):
        message = decision(*given)
        message.subject_id = subject
        return message

    truth.publish(of('ann', 100, 'walking'))
    truth.publish(of('ben', 100, 'eating'))
    truth.publish(of('ann', 105, '', Status.NO_DATA))
    with Monitor(list(MONITOR)) as monitor:
        people = monitor.logs_of_people
        wait_for(lambda: activities.get_subscription_count() and activity.get_subscription_count())
        wait_for(lambda: len(people()) == 2 and people()['ann'].truth_complete)
        activity.publish(of('the scene has a name', 102, 'eating'))
        for seconds, label in ((101, 'walking'), (102, 'eating'), (106, 'eating')):
            activities.publish(of('ann', seconds, label))
        activities.publish(of('ben', 102, 'eating'))
        wait_for(lambda: len(people()['ann'].received()) == 3)
        wait_for(lambda: people()['ben'].received() and monitor.log.received())
        ann, ben = (score_person(monitor.log, people()[name]) for name in ('ann', 'ben'))
        assert (ann['decisions'], ann['possible'], ann['scores']['accuracy']) == (2, 1, 0.5)
        assert (ben['decisions'], ben['scores']['accuracy']) == (1, 1.0)
        assert len(monitor.log.received()) == 1
        assert score_person(monitor.log, None)['scores']['balanced_accuracy'] is None


@pytest.fixture
def world(monkeypatch):
    """A node beside the monitor, in a domain and a namespace that nothing else here has."""
    monkeypatch.setenv('ROS_DOMAIN_ID', '94')
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('world', namespace='/there', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


MONITOR = ('--ros-args', '-r', '__ns:=/there')


def test_a_decision_of_another_version_is_a_counted_drop(world):
    activity = world.create_publisher(ActivityStamped, 'activity', 10)
    foreign = decision(1, 'walking')
    foreign.evidence[0].modality = 'radar'
    with Monitor(list(MONITOR)) as monitor:
        wait_for(activity.get_subscription_count)
        activity.publish(foreign)
        activity.publish(decision(2, 'walking'))
        wait_for(monitor.log.received)
        assert monitor.dropped == 1
        assert [decision.t_ns for decision in monitor.log.received()] == [2_000_000_000]


def test_whose_truth_is_known_is_not_forgotten_for_ever_new_ids_of_a_tracker(world):
    truth = world.create_publisher(ActivityStamped, 'activity_truth', LATCHED_QOS)
    people = world.create_publisher(ActivityStamped, 'activities', 2 * MOST_PEOPLE)
    with Monitor(list(MONITOR)) as monitor:
        wait_for(lambda: truth.get_subscription_count() and people.get_subscription_count())
        known = decision(1, 'walking')
        known.subject_id = 'ann'
        truth.publish(known)
        wait_for(lambda: 'ann' in monitor.logs_of_people())
        for number in range(MOST_PEOPLE + 1):
            passing = decision(2, 'walking')
            passing.subject_id = f'body_{number}'
            people.publish(passing)
        wait_for(lambda: f'body_{MOST_PEOPLE}' in monitor.logs_of_people())
        logs = monitor.logs_of_people()
        assert len(logs) == MOST_PEOPLE
        assert logs['ann'].truth_known


def test_what_a_callback_raises_is_raised_where_the_run_is_watched(world):
    def fail():
        raise ZeroDivisionError('a leaf is broken')

    with Monitor(list(MONITOR)) as monitor:
        watch = Watch(monitor, title='')
        watch.look()
        monitor.call(lambda: monitor.create_timer(0.01, fail))
        wait_for(lambda: monitor.failure)
        with pytest.raises(ZeroDivisionError, match='a leaf is broken'):
            watch.look()
        # Nobody is left to run it there.
        assert monitor.call(threading.current_thread) is threading.current_thread()


def test_a_recogniser_without_images_is_settled_by_the_input_it_has(world):
    reports = world.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def publish(name: str, **values: str) -> None:
        status = DiagnosticStatus(name=f'/there/{name}')
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        reports.publish(DiagnosticArray(status=[status]))

    with Monitor(list(MONITOR)) as monitor:
        watch = Watch(monitor, title='')
        wait_for(reports.get_subscription_count)
        publish('player: playback', state='finished')
        wait_for(lambda: watch.player_state == 'finished')
        for count, expected in ((1, False), (2, True)):
            publish('recognizer: audio', received='7', waiting='0')
            wait_for(lambda count=count: monitor.status('recognizer', 'audio')[0] == count)
            watch.look()
            assert watch.settled is expected
        assert watch.frames is None


def test_a_tree_lives_in_the_thread_that_spins_the_node(world, monkeypatch):
    from activity_recognition.behaviours.example_tree import ExampleTree

    where = []

    def noting(name):
        original = getattr(ExampleTree, name)

        def noted(self, *args, **kwargs):
            where.append((name, threading.current_thread().name))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(ExampleTree, name, noted)

    for name in ('__init__', 'tick', 'close'):
        noting(name)
    with Monitor(list(MONITOR)) as monitor:
        with ticking_tree(monitor, lambda _: None):
            wait_for(lambda: ('tick', 'monitor') in where)
        assert {thread for _, thread in where} == {'monitor'}
        assert where[-1][0] == 'close'
        with pytest.raises(KeyError, match='within'):
            monitor.call(lambda: {}['within'])
