"""What is said first: which modality spoils the others, and which has overfitted."""

from __future__ import annotations

from activity_recognition.training.evaluation.fusion_findings import better_without, overfitted


def scores(**reached: float | None) -> dict[str, dict[str, float | None]]:
    return {name.replace('_', '+'): {'balanced_accuracy': value} for name, value in reached.items()}


def test_it_names_what_to_leave_out_and_how():
    sentence = better_without(
        scores(video_audio_text=0.553, audio_text=0.621, video=0.3, audio=0.4), 'in validation'
    )
    assert sentence.startswith('audio and text without video are better in validation than all')
    assert 'balanced accuracy 62.1 % against 55.3 %' in sentence
    assert '`model: {modalities: [audio, text]}`' in sentence


def test_one_modality_may_be_better_than_two():
    sentence = better_without(scores(video_audio=0.6, video=0.5, audio=0.7), 'here')
    assert sentence.startswith('audio without video is better here')


def test_nothing_is_said_where_the_whole_is_best_or_nearly():
    assert better_without(scores(video_audio=0.7, video=0.5, audio=0.7), 'here') == ''
    assert better_without(scores(video_audio=0.7, video=0.5, audio=0.704), 'here') == ''
    assert better_without(scores(video=0.7), 'here') == ''
    assert better_without(scores(video_audio=None, video=None), 'here') == ''
    assert better_without({}, 'here') == ''


def heads(training: float | None, validation: float | None) -> dict[str, dict[str, float | None]]:
    return {
        'training': {'balanced_accuracy': training},
        'validation': {'balanced_accuracy': validation},
    }


def test_who_overfits_is_named_with_both_numbers():
    found = list(
        overfitted(
            {'video': heads(0.98, 0.41), 'audio': heads(0.7, 0.6), 'text': heads(None, 0.1)}, 6
        )
    )
    assert len(found) == 1
    assert found[0].startswith('video has overfitted')
    assert '98.0 %' in found[0]
    assert '41.0 %' in found[0]


def test_who_has_learnt_nothing_has_not_overfitted():
    """Of two labels, half of them right is a guess, and a fifth bad luck."""
    assert list(overfitted({'audio': heads(0.5, 0.197)}, 2)) == []
    assert list(overfitted({'audio': heads(0.5, 0.197)}, 10)), 'of ten it is far from one'
    assert list(overfitted({'audio': heads(0.79, 0.1)}, 2)) == []
    assert list(overfitted({'audio': heads(0.81, 0.1)}, 2))
