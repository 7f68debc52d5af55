"""Files that describe activities: what is read, and what is refused in a sentence."""

import pytest

from activity_recognition.activities import Activity, read_activities
from activity_recognition.config_io import shipped_file
from activity_recognition.errors import ConfigError, WeightsError
from activity_recognition.front_ends.sound_labels import sound_map
from activity_recognition.front_ends.yamnet import class_names
from activity_recognition.weights import finding


@pytest.fixture
def written(tmp_path):
    """Write a file; return its path."""

    def write(text):
        path = tmp_path / 'mine.yaml'
        path.write_text(text, encoding='utf-8')
        return path

    return write


@pytest.fixture
def names_of_sounds(weights_folder):
    """YAMNet's names, asked for anew."""
    class_names.cache_clear()
    yield weights_folder
    class_names.cache_clear()


def test_words_and_the_sounds_of_the_package(written):
    found = read_activities(
        written('none:\nknocking: {words: [who is there, open the door]}\nwaving: {words: [a, b]}')
    )
    assert found == (
        Activity(label='none'),
        Activity(
            label='knocking',
            words=('who is there', 'open the door'),
            sounds=tuple(sound_map()['knocking']),
        ),
        Activity(label='waving', words=('a', 'b')),
    )


def test_no_sounds_are_other_than_the_usual_ones(written):
    found = read_activities(written('none: {}\nknocking: {words: [a, b], sounds: []}'))
    assert found[1].sounds == ()


@pytest.mark.real
@pytest.mark.usefixtures('names_of_sounds')
def test_sounds_by_name(written):
    found = read_activities(
        written(
            'none: {}\ncooking: {sounds: [Frying (food), "chopping (food)"]}\nrest: {words: [a, b]}'
        )
    )
    assert [class_names()[kind] for kind in found[1].sounds] == ['Frying (food)', 'Chopping (food)']
    assert found[1].words == ()


@pytest.mark.real
@pytest.mark.usefixtures('names_of_sounds')
def test_a_name_that_no_sound_has(written):
    path = written('none: {}\ncooking: {sounds: [Fryng]}')
    with pytest.raises(
        ConfigError, match=r"'cooking': sounds: YAMNet knows no 'Fryng'; did you me"
    ):
        read_activities(path)
    path = written('none: {}\ncooking: {sounds: ["####################"]}')
    with pytest.raises(ConfigError, match=r'yamnet_class_map\.csv lists them'):
        read_activities(path)


def test_names_that_are_not_on_this_machine(written, tmp_path, monkeypatch):
    class_names.cache_clear()
    monkeypatch.delenv(finding.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(WeightsError, match='run `activity-recognition weights fetch yamnet_class_'):
        read_activities(written('none: {}\ncooking: {sounds: [Frying (food)]}'))


@pytest.mark.real
@pytest.mark.usefixtures('names_of_sounds')
def test_the_example_describes_the_usual_activities():
    found = {
        activity.label: activity for activity in read_activities(shipped_file('activities.yaml'))
    }
    assert set(sound_map()) < set(found)
    assert all(len(activity.words) >= 2 for name, activity in found.items() if name != 'none')
    assert found['none'] == Activity(label='none')


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('', 'expected at least two activities, got 0'),
        ('none: {}', 'expected at least two activities, got 1'),
        ('none: {}\nno ne: {words: [a, b]}\nnone: {}', r"mine\.yaml:3 .*'none' stands twice"),
        ('none: {}\ncup: {words: [a, b', r'mine\.yaml:2 is not YAML'),
        ('- none\n- cup', 'expected a mapping of keys, got list'),
        ('none: {}\n1: {words: [a, b]}', r'1: expected the name of an activity; put it between qu'),
        ('none: {}\nno: {words: [a, b]}', 'False: expected the name of an activity'),
        ('none: {}\n"": {words: [a, b]}', 'the label is empty'),
        ('none: {}\n"a\\nb": {words: [a, b]}', 'expected a label on one line'),
        (
            'none: {}\ncup: [a, b]',
            r"'cup': expected words and sounds, each a list, got \['a', 'b'\]",
        ),
        ('none: {}\ncup: {word: [a, b]}', r"'cup': unknown key 'word'; did you mean 'words'\?"),
        ('none: {}\ncup: {words: a}', r"words: expected a list of texts, got 'a'"),
        ('none: {}\ncup: {words: [a, 2]}', 'words: expected a text, got 2; put it in quotes'),
        ('none: {}\ncup: {words: [a]}', 'expected 2 to 100 sentences, or none, got 1'),
        ('none: {}\ncup: {words: [a, " "]}', 'words: expected 1 to 500 characters'),
        (f'none: {{}}\ncup: {{words: [a, {"b" * 501}]}}', 'words: expected 1 to 500 characters'),
        (f'none: {{}}\ncup: {{words: {[f"s{i}" for i in range(101)]}}}', 'none, got 101'),
        ('none: {}\ncup: {words: [The  cup, the cup]}', "words: 'The  cup' stands twice"),
        ('cup: {words: [a, b]}\nmug: {words: [c, A]}', "'A' stands for 'cup' and for 'mug'"),
        ('none: {}\ncup: {}', "'cup': expected words or sounds, got neither"),
        ('none: {}\nknocking: {sounds: []}', "'knocking': expected words or sounds, got neither"),
        ('none: {}\ncup: {sounds: {1: a}}', 'sounds: expected a list of texts, got {1'),
    ],
)
def test_what_is_wrong_is_said(written, content, said):
    with pytest.raises(ConfigError, match=said) as caught:
        read_activities(written(content))
    assert 'mine.yaml' in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match='cannot read the activities'):
        read_activities(tmp_path / 'nowhere.yaml')
