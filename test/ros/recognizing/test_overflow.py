"""A checkpoint of finite weights that overflow: refused, or at least never published."""

from __future__ import annotations

import math

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]


@pytest.fixture(scope='module')
def overflowing(tmp_path_factory):
    """Write a checkpoint whose frames overflow; every weight of it is finite."""
    import torch

    from activity_recognition.models.checkpoint import save_checkpoint
    from factories.networks import TINY, make_system, tokenizer_for

    system = make_system()
    with torch.no_grad():
        for weight in system.video_encoder.parameters():
            if weight.dim() > 1:
                weight.fill_(torch.finfo(weight.dtype).max)
    folder = tmp_path_factory.mktemp('checkpoints') / 'overflowing'
    save_checkpoint(folder, system, tokenizer_for(TINY))
    return folder


def test_it_is_not_configured_and_the_sentence_says_which_and_in_what_precision(world, overflowing):
    from rclpy.lifecycle import TransitionCallbackReturn

    node = world.make_recognizer(checkpoint=str(overflowing))
    diagnoses = world.diagnoses()
    assert world.there(node.trigger_configure) == TransitionCallbackReturn.FAILURE
    assert 'got NaN or infinity' in str(node.failure)
    assert str(overflowing) in str(node.failure)
    assert 'fp32' in str(node.failure)
    world.spin_until(lambda: diagnoses.says('state', 'got NaN or infinity'))
    assert diagnoses.status('state').level == b'\x02'


def test_what_overflows_later_is_an_error_in_diagnostics_and_never_published(
    world, overflowing, monkeypatch
):
    from activity_recognition.inference import MultiStreamEngine

    monkeypatch.setattr(MultiStreamEngine, 'warm_up', lambda self: None)
    node = world.recognize(checkpoint=str(overflowing))
    activities, diagnoses, camera = world.activities(), world.diagnoses(), world.camera()
    timer = world.every(0.05, camera, world.image)
    world.spin_until(lambda: diagnoses.says('engine', 'got NaN or infinity'))
    said = [m for m in diagnoses._messages for s in m.status if 'got NaN' in s.message]
    assert {s.level for m in said for s in m.status if s.name.endswith(': engine')} == {b'\x02'}
    timer.cancel()
    # Without frames it decides, now from sound alone, which does not overflow.
    microphone = world.microphone()
    world.every(0.04, microphone, world.sound)
    world.spin_until(lambda: any(m.scores for m in activities))
    for message in activities:
        numbers = [message.confidence, *(score.probability for score in message.scores)]
        assert all(math.isfinite(number) for number in numbers)
    assert node._session.active.worker.errors
