"""Pictures of crops: frames, sound, words and labels where they belong."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from activity_recognition.cli import main
from activity_recognition.commands.show import alone
from activity_recognition.errors import ConfigError
from activity_recognition.training.augmentation_config import AugmentationConfig
from activity_recognition.training.config import TrainConfig
from activity_recognition.training.data.crops import Arrays, CropPlan, cut_crop, plan_regularly
from activity_recognition.training.preview.canvas import COLUMNS, FRAME_PX
from activity_recognition.training.preview.strips import preview, write_preview
from activity_recognition.types import Modality, to_ns
from factories.networks import TINY, tokenizer_for
from factories.shards import prepare

from ..conftest import LABELS, START_NS, make_segment

WIDTH = COLUMNS * FRAME_PX
BAND = slice(18 + FRAME_PX, 18 + FRAME_PX + 96)
"""Rows of the spectrogram."""


STILL = AugmentationConfig(
    strength=0.0,
    shift=0.0,
    zoom=0.0,
    contrast=0.0,
    brightness=0.0,
    level=0.0,
    word_loss=0.0,
    lean_deg=0.0,
    proportions=0.0,
    joint_noise=0.0,
    joint_loss=0.0,
    sensor_turn_deg=0.0,
    sensor_scale=0.0,
)
"""Everything that a recipe without overrides changes, off."""


def crop_of(*hidden: Modality) -> Arrays:
    plan = CropPlan(
        segment=0,
        start_ns=START_NS + to_ns(4.0),
        end_ns=START_NS + to_ns(8.0),
        key=(0,),
        hidden=frozenset(hidden),
    )
    return cut_crop(make_segment(), plan, TrainConfig(crop_s=4.0, frame_rate_hz=8.0), TINY)


def test_a_crop_fills_its_strip():
    picture = preview(crop_of(), LABELS, tokenizer_for(TINY))
    assert picture.shape[1] == WIDTH
    frames = picture[18 : 18 + FRAME_PX]
    lit = [frames[:, c * FRAME_PX : (c + 1) * FRAME_PX].any() for c in range(COLUMNS)]
    assert np.mean(lit) > 0.6
    assert (picture[BAND].any(axis=(0, 2))).mean() > 0.9


def test_stamps_of_clocks_that_lie_decades_apart_end():
    crop = crop_of()
    crop['decision_stamps'][:3] = to_ns(100.0)  # a camera on simulated time
    picture = preview(crop, LABELS, tokenizer_for(TINY))
    assert picture.shape[1] == WIDTH
    ticks = picture[-16:][1].all(axis=-1)
    assert 10 < ticks.sum() <= WIDTH // 40 + 1


@pytest.mark.parametrize('hidden', list(Modality))
def test_what_is_hidden_is_not_drawn(hidden: Modality):
    picture = preview(crop_of(hidden), LABELS, tokenizer_for(TINY))
    frames, sound = picture[18 : 18 + FRAME_PX], picture[BAND]
    # Words say that there is nothing, in a few pixels.
    lit = [float((part[..., 1] > 0).mean()) for part in (frames, sound)]
    for share, modality in zip(lit, (Modality.VIDEO, Modality.AUDIO), strict=True):
        assert share < 0.2 if modality is hidden else share > 0.5


def test_a_picture_of_recordings_is_written(recordings: Path, tmp_path: Path, tiny_preset: str):
    path = tmp_path / 'new' / 'crops.png'
    still = AugmentationConfig(strength=0.0)
    config = TrainConfig(preset=tiny_preset, crop_s=4.0, num_workers=1, augmentation=still)
    write_preview(path, config, recordings, cache=tmp_path / 'cache', count=3)
    first = cv2.imread(str(path))
    assert first.shape[1] == WIDTH
    other = dataclasses.replace(config, seed=1)
    write_preview(path, other, recordings, cache=tmp_path / 'cache', count=3)
    second = cv2.imread(str(path))
    assert first.shape != second.shape or (first != second).any()


def test_every_crop_says_what_it_is_of(recordings: Path, tmp_path: Path, tiny_preset: str):
    config = TrainConfig(preset=tiny_preset, crop_s=4.0, num_workers=1, modality_dropout=0.0)

    def shown(data: Path, count: int, config: TrainConfig = config) -> tuple[str, ...]:
        out = tmp_path / 'crops.png'
        return write_preview(out, config, data, cache=tmp_path / 'cache', count=count)

    crops = shown(recordings, 6)
    assert len(crops) == 6
    assert {crop.partition(',')[0] for crop in crops} == {r.name for r in recordings.iterdir()}
    for crop in crops:
        start_s, end_s = map(float, re.findall(r'([\d.]+) s', crop))
        assert start_s >= 0
        assert end_s == pytest.approx(start_s + 4.0, abs=0.11)
    prepare(recordings, tmp_path / 'shards')
    assert shown(tmp_path / 'shards', 6) == crops
    one = next(recordings.iterdir())
    assert all(crop.startswith(f'{one.name}, ') for crop in shown(one, 2))
    blind = dataclasses.replace(config, modality_dropout=1.0)
    assert all(crop.endswith(' hidden') for crop in shown(recordings, 6, blind))


def test_crops_come_from_all_of_the_epoch(recordings: Path, tmp_path: Path, tiny_preset: str):
    """A batch holds crops with pictures or crops without; a picture shows both."""
    config = TrainConfig(
        preset=tiny_preset, crop_s=4.0, num_workers=1, modality_dropout=0.5, batch_size=100
    )
    crops = write_preview(
        tmp_path / 'crops.png', config, recordings, cache=tmp_path / 'cache', count=6
    )
    assert len({'video hidden' in crop for crop in crops}) == 2


def test_one_change_can_be_looked_at_alone():
    config = TrainConfig(
        modality_dropout=0.2, augmentation=AugmentationConfig(word_errors=0.1, mel_masks=2)
    )
    shown = alone(config, ['word_errors'])
    assert shown.augmentation == dataclasses.replace(
        STILL, strength=1.0, word_errors=0.1, mirror=0.0
    )
    assert shown.modality_dropout == 0.0
    both = alone(config, ['mel_masks', 'modality_dropout'])
    assert (both.modality_dropout, both.augmentation.mel_masks) == (0.2, 2)
    assert both.augmentation.word_errors == both.augmentation.shift == 0.0
    assert both.augmentation.mel_mask_bins == config.augmentation.mel_mask_bins


@pytest.mark.parametrize(
    ('name', 'says'),
    [('word_error', "did you mean 'word_errors'"), ('colour', 'colour is 0 in the recipe')],
)
def test_a_change_that_there_is_not_cannot_be_shown(name: str, says: str):
    with pytest.raises(ConfigError, match=says):
        alone(TrainConfig(), [name])


def test_the_command_refuses_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(['show', str(tmp_path), '--out', 'x.jpg']) == 2
    assert '--out must name a .png file, got x.jpg' in capsys.readouterr().err
    assert main(['show', str(tmp_path), '--out', 'x.png', '--count', '0']) == 2
    assert '--count must be at least 1' in capsys.readouterr().err


RESTLESS = AugmentationConfig(
    strength=2.0, margin=0.3, mel_shift=4.0, mel_masks=2, word_errors=0.5, clock_skew_s=1.0
)
"""Changes more than any recipe."""


def test_plain_crops_are_the_same_whatever_is_drawn(
    recordings: Path, tmp_path: Path, tiny_preset: str
):
    """Nothing is hidden, thinned, moved or changed, so that two seeds show the same."""
    shown = []
    for seed in (0, 1):
        config = TrainConfig(
            preset=tiny_preset,
            crop_s=4.0,
            frame_rate_hz=1.0,
            num_workers=1,
            seed=seed,
            modality_dropout=0.9,
            modalities_at_once=1,
            augmentation=RESTLESS,
        )
        out = tmp_path / f'{seed}.png'
        cache = tmp_path / 'cache'
        origins = write_preview(out, config, recordings, cache=cache, count=6, plain=True)
        assert len(origins) == 6
        assert not [origin for origin in origins if 'hidden' in origin]
        shown.append((origins, out.read_bytes()))
        assert write_preview(out, config, recordings, cache=cache, count=6) != origins
    assert shown[0] == shown[1]


@pytest.mark.parametrize('modalities', [('audio', 'imu'), ('video',), ('audio', 'text')])
def test_plain_crops_of_any_modalities_are_whole(modalities: tuple[str, ...]):
    segment = make_segment()
    model = dataclasses.replace(TINY, modalities=modalities)
    config = TrainConfig(crop_s=4.0, frame_rate_hz=1.0, modality_dropout=1.0)
    plans = plan_regularly([segment], config)
    assert plans == plan_regularly([segment], dataclasses.replace(config, seed=9))
    for plan in plans:
        assert not plan.hidden
        crop = cut_crop(segment, plan, config, model, at_random=False)
        arrived = segment.arrays['frame_arrivals']
        inside = (arrived >= plan.start_ns) & (arrived < plan.end_ns)
        np.testing.assert_array_equal(crop['frame_arrivals'], arrived[inside])
        assert np.diff(crop['decision_arrivals']).min() >= 0


def test_the_command_shows_plain_crops_alike(recordings: Path, tmp_path: Path, tiny_preset: str):
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(
        f'preset: {tiny_preset}\ncrop_s: 4.0\nmodality_dropout: 0.9\nmodalities_at_once: 1\n'
        'num_workers: 1\n',
        encoding='utf-8',
    )
    pictures = []
    for seed in ('3', '4'):
        out = tmp_path / f'{seed}.png'
        words = ('show', str(recordings), '--out', str(out), '--config', str(recipe), '--quiet')
        assert main([*words, '--plain', '--seed', seed]) == 0
        pictures.append(out.read_bytes())
    assert pictures[0] == pictures[1]
