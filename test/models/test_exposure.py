"""Images brought to about the same brightness, by a bounded gain about black."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from activity_recognition.config import ModelConfig, VideoConfig
from activity_recognition.config_io import build_stored_config, load_model_config, to_stored_mapping
from activity_recognition.errors import ConfigError
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.models.exposure import (
    LEAST_GAIN,
    MOST_GAIN,
    TARGET,
    expose,
    exposed_images,
    exposure_gain,
)
from activity_recognition.models.motion import MotionState
from activity_recognition.types import to_ns
from factories.networks import MOVING, TINY, make_system, tokenizer_for

SIDE = 32


def scene(brightness: float, *, count: int = 1, seed: int = 0) -> Tensor:
    """Images of one scene, uint8 (N, S, S, 3), whose levels rise with the light alone."""
    levels = np.random.default_rng(seed).uniform(0.05, 1.0, (count, SIDE, SIDE, 3))
    return torch.from_numpy(np.round(levels * brightness).astype(np.uint8))


@pytest.mark.parametrize('brightness', [60, 110, 190])
def test_the_mean_level_becomes_the_target(brightness):
    found = expose(scene(brightness))
    assert float(found.mean()) == pytest.approx(TARGET, abs=2.0)


def test_the_gain_is_bounded_so_that_noise_in_the_dark_stays_small():
    noise = torch.randint(0, 3, (4, SIDE, SIDE, 3), dtype=torch.uint8)
    assert exposure_gain(noise).tolist() == [MOST_GAIN] * 4
    assert float(expose(noise).max()) == 2 * MOST_GAIN
    white = torch.full((1, SIDE, SIDE, 3), 255, dtype=torch.uint8)
    assert exposure_gain(white).tolist() == [LEAST_GAIN]


def test_black_stays_black():
    found = expose(torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8))
    assert torch.count_nonzero(found) == 0


def test_what_would_be_above_white_is_white():
    dark = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
    dark[:, 0, 0] = 200  # a lamp
    found = expose(dark)
    assert found[0, 0, 0].tolist() == [255.0] * 3


def test_each_image_has_the_gain_of_itself_alone():
    images = torch.cat([scene(40), scene(120), scene(200)])
    alone = torch.cat([expose(image[None]) for image in images])
    torch.testing.assert_close(expose(images), alone, rtol=0, atol=0)


def _exposing(config: ModelConfig, exposure: str) -> ModelConfig:
    return dataclasses.replace(config, video=dataclasses.replace(config.video, exposure=exposure))


def _images(brightness: int, side: int) -> Tensor:
    """A scene whose levels are exact at half of its brightness."""
    levels = 2 * torch.randint(0, brightness // 2, (3, side, side, 3), generator=_seeded())
    return levels.to(torch.uint8)


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_half_of_the_light_gives_the_same_token():
    side = TINY.video.input_size_px
    bright = _images(120, side)
    normal, plain = (
        make_system(_exposing(TINY, exposure)).video_encoder.frame_encoder
        for exposure in ('normalise', 'none')
    )
    with torch.no_grad():
        torch.testing.assert_close(normal(bright // 2), normal(bright), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(plain(bright // 2), plain(bright), atol=1e-2)


@pytest.mark.parametrize('part', ['motion', 'directions'])
def test_half_of_the_light_gives_the_same_movement(part):
    config = _exposing(MOVING, 'normalise')
    video = dataclasses.replace(config.video, motion_memory_s=1.0)
    encoder = make_system(dataclasses.replace(config, video=video)).video_encoder
    side, stamps = video.input_size_px, [to_ns(0.0), to_ns(0.3), to_ns(0.6)]
    bright = 2 * _images(100, side)[:, :, :, :1].expand(-1, -1, -1, 3)
    module = getattr(encoder, part)
    with torch.no_grad():
        tokens = [
            module(frames[None], torch.tensor([stamps]), torch.ones(1, 3, dtype=torch.bool))
            for frames in (bright, bright // 2)
        ]
    # Directions know how much noise even surfaces have, which light does not change.
    atol = 1e-5 if part == 'motion' else 2e-2
    torch.testing.assert_close(tokens[0], tokens[1], atol=atol, rtol=1e-3)


def test_what_stands_still_does_not_move_when_something_bright_enters():
    """Frames with a gain each would change everywhere."""
    system = make_system(_exposing(MOVING, 'normalise'))
    encoder, seen = system.video_encoder.motion, []
    side = MOVING.video.input_size_px
    frames = torch.full((2, side, side, 3), 60, dtype=torch.uint8)
    frames[1, :, : side // 2] = 250
    encoder.convolutions.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        states = [MotionState()] * 2
        encoder.step(frames, [to_ns(0.0), to_ns(0.3)], states)
    change = seen[0][1, 0]
    assert torch.count_nonzero(change[:, side // 2 :]) == 0
    assert bool((change[:, : side // 2] > 0).all())


def test_a_stream_sees_what_a_recording_shows():
    system = make_system(_exposing(MOVING, 'normalise'), dtype=torch.float64)
    side = MOVING.video.input_size_px
    frames = torch.cat([_images(level, side)[:1] for level in (40, 90, 250, 60)])
    stamps = [to_ns(0.2 * place) for place in range(4)]
    there = torch.ones(1, 4, dtype=torch.bool)
    encoder, state = system.video_encoder, [MotionState()]
    with torch.no_grad():
        whole = encoder.encode_frames(frames[None], there)[0]
        alone = torch.cat([encoder.frame_encoder(frame[None]) for frame in frames])
        moved = encoder.motion(frames[None], torch.tensor([stamps]), there)
        stepped = torch.cat(
            [
                encoder.motion.step(frame[None], [stamp_ns], state)
                for frame, stamp_ns in zip(frames, stamps, strict=True)
            ]
        )
    torch.testing.assert_close(whole, alone)
    torch.testing.assert_close(moved, stepped)


def test_new_networks_normalise_and_older_checkpoints_do_not(tmp_path):
    assert load_model_config('nano').video.exposure == 'normalise'
    stored = to_stored_mapping(TINY)
    assert stored['video'].pop('exposure') == 'normalise'
    older = build_stored_config(ModelConfig, stored, where='model')
    assert older.video.exposure == 'none'
    assert to_stored_mapping(older) == stored
    tokenizer = tokenizer_for(TINY)
    for exposure in ('normalise', 'none'):
        config = _exposing(TINY, exposure)
        save_checkpoint(tmp_path / exposure, make_system(config), tokenizer)
        assert load_checkpoint(tmp_path / exposure).config == config


def test_pictures_of_what_is_seen_are_exposed_and_key_points_are_not():
    dark = scene(30).numpy()
    assert exposed_images(dark, VideoConfig()).mean() == pytest.approx(64, abs=5)
    assert exposed_images(dark, VideoConfig(exposure='none')) is dark
    points = np.zeros((2, 17, 3), np.float32)
    assert exposed_images(points, VideoConfig(key_points=('coco17',))) is points


def test_another_word_is_refused():
    with pytest.raises(ConfigError, match="must be one of normalise, none, got 'x'"):
        VideoConfig(exposure='x')
