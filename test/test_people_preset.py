"""The preset `people`: small, and of joints that trackers and data sets have in common."""

import pytest
import torch

from activity_recognition.config_io import load_model_config
from activity_recognition.keypoints import SKELETONS, canonical_name
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.training.data.people_labels import people_labels

LIMIT_BYTES = 12_000_000
LABELS = tuple(of.label for of in people_labels())


def test_its_own_weights_are_few():
    with torch.device('meta'):
        system = ActivityRecognitionSystem(load_model_config('people', labels=LABELS))
    own = sum(weight.numel() * weight.element_size() for weight in system.state_dict().values())
    assert 2_000_000 < own < LIMIT_BYTES


def test_its_backbones_are_named_and_it_is_a_product_of_experts():
    model = load_model_config('people', labels=LABELS)
    assert model.modalities == ('video', 'audio', 'text')
    assert model.video.backbone_weights == ('movenet_lightning',)
    assert model.audio.backbone_weights == ('yamnet',)
    assert not model.text.backbone
    assert model.fusion == 'experts'


@pytest.mark.parametrize('skeleton', SKELETONS)
def test_every_skeleton_has_its_limbs(skeleton):
    """A head is called head or nose; the rest is there in all of them."""
    joints = load_model_config('people', labels=LABELS).video.joints
    known = {canonical_name(name) for name in SKELETONS[skeleton]}
    assert set(joints) - known <= {'nose'}
