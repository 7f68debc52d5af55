"""The benchmark of descriptions: what it asks, and what it counts."""

from __future__ import annotations

import composed_data
import esc10
import numpy as np
import pytest
import zero_recordings as benchmark

from activity_recognition.activities import read_activities


@pytest.mark.real
@pytest.mark.usefixtures('weights_folder')
def test_the_descriptions_are_of_the_sets_labels(real_recordings):
    clips = esc10.read_clips(real_recordings / 'esc10')
    sounds = read_activities(benchmark.SOUNDS)
    assert {activity.label for activity in sounds} == {clip.label for clip in clips}
    composed = read_activities(benchmark.COMPOSED)
    requests = composed_data.requests_of(composed_data.TEST_GROUP)
    assert [activity.label for activity in composed] == list(requests)
    assert {len(activity.words) for activity in composed} == {4}
    # What a class is paired with is described as it is in ESC-10.
    pairs = {label: of['sound'] for label, of in composed_data.words()['classes'].items()}
    by_label = {activity.label: activity.sounds for activity in sounds}
    assert {a.label: a.sounds for a in composed} == {k: by_label[v] for k, v in pairs.items()}


@pytest.mark.real
@pytest.mark.usefixtures('weights_folder')
def test_no_sentence_has_what_the_test_says():
    composed = {a.label: a for a in read_activities(benchmark.COMPOSED)}
    for label, of in composed_data.words()['classes'].items():
        said = {word for text in composed[label].words for word in text.lower().split()}
        assert said.isdisjoint(set(of['nouns'][-3:]))
        written = {text.lower() for text in composed[label].words}
        assert written.isdisjoint(composed_data.requests_of(composed_data.TEST_GROUP)[label])


@pytest.mark.real
def test_the_composed_test_without_its_joints(real_recordings):
    clips = benchmark.composed_test(real_recordings / 'esc10')
    assert len(clips) == 400
    assert 0.70 < np.mean([bool(clip.request) for clip in clips]) < 0.82
    assert all(clip.sound is None or clip.sound.is_file() for clip in clips)
    assert len(benchmark.composed_test(real_recordings / 'esc10', per_class=3)) == 30


def test_where_nothing_is_there_all_are_as_likely():
    answers = np.array([[0.0, -1.0], [-3.0, -0.1], [np.nan, np.nan], [np.nan, np.nan]])
    truth = np.array([0, 0, 1, 0])
    assert benchmark._worth(answers, truth) == pytest.approx(100 * (1 + 0 + 0.5 + 0.5) / 4)
    assert benchmark._classes(answers).tolist() == [0, 1, -1, -1]


def test_requests_by_themselves():
    labels = list(composed_data.requests_of(composed_data.TEST_GROUP))
    truth, requests = benchmark.different_requests(labels)
    assert len(requests) == len(set(requests)) == 120
    assert np.bincount(truth).tolist() == [12] * 10
