import dataclasses
import re
import typing
from pathlib import Path

import pytest
import yaml

from activity_recognition import config as package_config
from activity_recognition import config_io
from activity_recognition.config import (
    AudioConfig,
    EngineConfig,
    ModelConfig,
    RecognizerConfig,
    SmoothingConfig,
    SyncConfig,
    TextConfig,
    TopicsConfig,
    VideoConfig,
)
from activity_recognition.config_io import (
    MODEL_PRESETS,
    build_config,
    differences,
    load_config,
    load_model_config,
    read_yaml,
    shipped_file,
    to_mapping,
    unknown_key,
)
from activity_recognition.errors import ConfigError
from activity_recognition.settings import setting
from activity_recognition.training import config as training_config
from activity_recognition.training.config import TrainConfig

ALL = [
    value
    for module in (package_config, training_config)
    for value in vars(module).values()
    if dataclasses.is_dataclass(value) and value.__module__ == module.__name__
]
UNITS = re.compile('_(s|hz|px)$')
ROOT = Path(__file__).parents[1]
TRAINING_RECIPES = sorted(path.name for path in (ROOT / 'config' / 'train').glob('*.yaml'))


LIMITED = [
    pytest.param(cls, item, id=f'{cls.__name__}.{item.name}')
    for cls in ALL
    for item in dataclasses.fields(cls)
    if item.metadata.get('low') is not None and item.metadata.get('high') is not None
]
"""Every field that declares a range."""


class TestDataclasses:
    @pytest.mark.parametrize('cls', ALL, ids=lambda cls: cls.__name__)
    def test_defaults_are_valid_and_frozen(self, cls):
        config = cls()
        first = dataclasses.fields(cls)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, first, None)
        with pytest.raises(TypeError):
            cls(getattr(config, first))

    @pytest.mark.parametrize(('cls', 'item'), LIMITED)
    def test_a_value_out_of_range_names_field_range_and_value(self, cls, item):
        low, high = item.metadata['low'], item.metadata['high']
        for value in (low - 1, high + 1, float('nan')):
            with pytest.raises(ConfigError) as caught:
                cls(**{item.name: value})
            message = str(caught.value)
            assert f'{cls.__name__}.{item.name} must lie in' in message
            assert f'{low:g}' in message
            assert repr(value) in message

    @pytest.mark.parametrize(('cls', 'item'), LIMITED)
    def test_the_default_lies_in_its_range(self, cls, item):
        assert item.metadata['low'] <= item.default <= item.metadata['high']

    @pytest.mark.parametrize('cls', ALL, ids=lambda cls: cls.__name__)
    def test_names_carry_their_unit(self, cls):
        for name, hint in typing.get_type_hints(cls).items():
            if UNITS.search(name):
                assert hint in (float, int), name

    def test_mutable_defaults_are_refused(self):
        with pytest.raises(TypeError, match='immutable'):
            setting([1, 2])

    @pytest.mark.parametrize(
        ('make', 'message'),
        [
            (lambda: VideoConfig(input_size_px=100), 'multiple of 16 .* got 100'),
            (lambda: VideoConfig(width=130), 'multiple of video.spatial_heads=4, got 130'),
            (lambda: VideoConfig(stem_channels=(8, 0, 8)), 'stem_channels must hold .* from 1'),
            (lambda: VideoConfig(appearance=False), 'nothing would be seen'),
            (
                lambda: VideoConfig(appearance=False, motion_memory_s=1.0, backbone='any'),
                'expected no video.backbone .* got any',
            ),
            (lambda: AudioConfig(channels=(8,)), 'two entries'),
            (lambda: AudioConfig(channels=(8, -1)), 'channels must hold numbers from 1 up'),
            (lambda: AudioConfig(dilations=(1, 0)), 'dilations must hold numbers from 1 up'),
            (lambda: TextConfig(width=130), 'multiple of text.num_heads=4, got 130'),
            (lambda: ModelConfig(hidden_dim=130), 'multiple of num_heads=4, got 130'),
            (lambda: ModelConfig(labels=('one',)), 'at least two different names'),
            (lambda: ModelConfig(labels=('a', 'b', 'a')), 'at least two different names'),
            (lambda: EngineConfig(precision='fp64'), "'auto', 'fp32', 'bf16' or 'fp16', got 'fp64"),
            (lambda: EngineConfig(device='tpu'), "'cuda:N', got 'tpu'"),
            (lambda: TopicsConfig(image_transport='theora'), "'raw', 'compressed'"),
            (lambda: TopicsConfig(audio_channels='left'), "'mean', 'auto', .* got 'left'"),
            (lambda: TopicsConfig(audio_channels='64'), "from 0 to 63 .* got '64'"),
        ],
    )
    def test_what_does_not_fit_together_is_refused(self, make, message):
        with pytest.raises(ConfigError, match=message):
            make()

    def test_derived_sizes(self):
        assert VideoConfig().patch_size_px == 16
        audio = AudioConfig()
        assert (audio.hop_samples, audio.frame_samples, audio.fft_samples) == (160, 400, 512)
        assert audio.token_rate_hz == 25.0
        assert audio.receptive_field_tokens == 64
        assert ModelConfig(labels=('a', 'b', 'c')).num_activities == 3

    def test_numbers_of_tokens_let_the_seconds_bind(self):
        for preset in MODEL_PRESETS:
            config = load_model_config(preset)
            assert config.video.max_tokens >= 60 * config.video.window_s
            assert config.audio.max_tokens >= config.audio.token_rate_hz * config.audio.window_s


class TestBuilding:
    def test_a_number_of_channels_where_the_choice_belongs_is_told_its_new_name(self):
        message = r'expected str, got 2; .* topics\.audio_num_channels'
        with pytest.raises(ConfigError, match=message):
            build_config(TopicsConfig, {'audio_channels': 2}, where='robot.yaml')

    def test_overrides_nest(self):
        config = build_config(ModelConfig, {'hidden_dim': 64, 'video': {'window_s': 2.0}})
        assert config.hidden_dim == 64
        assert config.video == VideoConfig(window_s=2.0)
        assert config.audio == AudioConfig()

    @pytest.mark.parametrize('cls', ALL, ids=lambda cls: cls.__name__)
    def test_round_trip_through_yaml(self, cls):
        text = yaml.safe_dump(to_mapping(cls()))
        assert build_config(cls, yaml.safe_load(text)) == cls()

    @pytest.mark.parametrize(
        ('overrides', 'message'),
        [
            ({'hidden_dmi': 64}, "here: unknown key 'hidden_dmi'; did you mean 'hidden_dim'?"),
            (
                {'video': {'widht': 64}},
                "here: video: unknown key 'widht'; did you mean 'width'?",
            ),
            ({'audio': {'zzz': 1}}, "here: audio: unknown key 'zzz'; known keys: backbone, "),
            ({3: 64}, "unknown key '3'"),
        ],
    )
    def test_an_unknown_key_names_the_nearest(self, overrides, message):
        with pytest.raises(ConfigError, match=re.escape(message)):
            build_config(ModelConfig, overrides, where='here')

    @pytest.mark.parametrize(
        ('overrides', 'message'),
        [
            ({'hidden_dim': '64'}, "hidden_dim: expected int, got '64'"),
            ({'hidden_dim': 64.0}, 'hidden_dim: expected int, got 64.0'),
            ({'hidden_dim': True}, 'hidden_dim: expected int, got True'),
            ({'hidden_dim': None}, 'hidden_dim: expected int, got None'),
            ({'dropout': '0.1'}, "dropout: expected float, got '0.1'"),
            ({'dropout': False}, 'dropout: expected float, got False'),
            ({'labels': 'none'}, "labels: expected a list, got 'none'"),
            ({'labels': ['none', 3]}, 'labels: expected str, got 3'),
            ({'video': 3}, 'video: expected a mapping, got 3'),
            ({'video': {'stem_channels': [1.5]}}, 'stem_channels: expected int, got 1.5'),
        ],
    )
    def test_a_wrong_type_is_named(self, overrides, message):
        with pytest.raises(ConfigError, match=re.escape(message)):
            build_config(ModelConfig, overrides)

    def test_a_field_without_a_default_is_asked_for(self):
        @dataclasses.dataclass(frozen=True)
        class Needy:
            rate_hz: float
            names: tuple[str, ...] = dataclasses.field(default_factory=tuple)

        assert build_config(Needy, {'rate_hz': 5}) == Needy(5.0)
        with pytest.raises(ConfigError, match="here: expected the key 'rate_hz', which"):
            build_config(Needy, {'names': ['a']}, where='here')

    def test_only_integers_widen(self):
        assert build_config(SyncConfig, {'decision_rate_hz': 5}).decision_rate_hz == 5.0
        assert isinstance(build_config(SyncConfig, {'decision_rate_hz': 5}).decision_rate_hz, float)

    def test_a_range_holds_for_overrides_too(self):
        with pytest.raises(ConfigError, match=r'SmoothingConfig.hysteresis must lie in \[0, 1\]'):
            build_config(RecognizerConfig, {'smoothing': {'hysteresis': 3}})

    def test_the_sentence_for_an_unknown_key(self):
        assert unknown_key('wndow', ['window', 'rate'], 'x') == (
            "x: unknown key 'wndow'; did you mean 'window'?"
        )
        assert unknown_key('q', ['b', 'a'], 'x') == "x: unknown key 'q'; known keys: a, b"


class TestFiles:
    def write(self, tmp_path, content):
        path = tmp_path / 'config.yaml'
        path.write_bytes(content)
        return path

    def test_an_empty_file_overrides_nothing(self, tmp_path):
        assert load_config(SmoothingConfig, self.write(tmp_path, b'# nothing\n')) == (
            SmoothingConfig()
        )

    def test_errors_name_the_file(self, tmp_path):
        path = self.write(tmp_path, b'window: 3\n')
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            load_config(SmoothingConfig, path)

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            (b'[1, 2]', 'expected a mapping of keys, got list'),
            (b'a: [', 'is not YAML'),
            (b'\xff\xfe\x00\x01', 'is not YAML'),
            (b'!!python/object/apply:os.system ["true"]', 'is not YAML'),
        ],
    )
    def test_other_content_is_refused(self, tmp_path, content, message):
        with pytest.raises(ConfigError, match=message):
            read_yaml(self.write(tmp_path, content))

    def test_a_missing_file_is_said(self, tmp_path):
        with pytest.raises(ConfigError, match=r'cannot read the configuration .*No such file'):
            read_yaml(tmp_path / 'none.yaml')

    def test_shipped_files_are_found(self):
        assert shipped_file('models/small.yaml').is_file()
        with pytest.raises(ConfigError, match=r'the shipped file config/models/none\.yaml'):
            shipped_file('models/none.yaml')

    def test_shipped_files_of_a_source_tree_are_found(self, tmp_path, monkeypatch):
        """Without an installation the folder lies beside the package."""
        (tmp_path / 'config').mkdir()
        (tmp_path / 'config' / 'x.yaml').touch()
        package = tmp_path / 'activity_recognition'
        package.mkdir()
        monkeypatch.setattr(config_io, '__file__', str(package / 'config_io.py'))
        assert shipped_file('x.yaml') == tmp_path / 'config' / 'x.yaml'


class TestPresets:
    @pytest.mark.parametrize('preset', MODEL_PRESETS)
    def test_presets_load_for_any_labels(self, preset):
        config = load_model_config(preset, labels=('none', 'waving', 'typing'))
        assert config.num_activities == 3

    def test_presets_grow(self):
        nano, small, base = map(load_model_config, ('nano', 'small', 'base'))
        assert nano == ModelConfig()
        sizes = [c.video.input_size_px for c in (nano, small, base)]
        assert sizes == [128, 160, 224]
        assert nano.hidden_dim < small.hidden_dim < base.hidden_dim

    def test_a_file_is_a_preset_too(self, tmp_path):
        path = tmp_path / 'mine.yaml'
        path.write_text('hidden_dim: 64\n', encoding='utf-8')
        assert load_model_config(str(path)).hidden_dim == 64

    @pytest.mark.parametrize('name', ['huge', '', 'models/nano'])
    def test_other_names_are_refused(self, name):
        with pytest.raises(ConfigError, match=r'one of nano, small, .* or a \.yaml file, got'):
            load_model_config(name)

    @pytest.mark.parametrize('name', TRAINING_RECIPES)
    def test_every_training_recipe_is_shipped_and_loads(self, name):
        recipe = load_config(TrainConfig, shipped_file(f'train/{name}'))
        assert recipe != TrainConfig(), 'it overrides nothing'

    def test_the_recipes_that_commands_in_the_documents_name_are_shipped(self):
        pages = [ROOT / 'README.md', *(ROOT / 'docs').glob('*.md')]
        pages.append(ROOT / 'activity_recognition' / 'commands' / 'train.py')
        text = '\n'.join(page.read_text(encoding='utf-8') for page in pages)
        named = set(re.findall(r'activity.recognition train ([a-z_0-9]+)', text))
        assert {'smoke', 'nano_simulated'} <= named
        assert {f'{name}.yaml' for name in named} <= set(TRAINING_RECIPES)


def test_differences_name_settings_with_both_values():
    found = {'rate': 1.0, 'audio': {'mels': 48, 'hop': 0.01}, 'stages': [{'epochs': 1}], 'x': None}
    wanted = {'rate': 2.0, 'audio': {'mels': 64, 'hop': 0.01}, 'stages': [{'epochs': 2}], 'n': {}}
    assert [tuple(item) for item in differences(found, wanted)] == [
        ('audio.mels', 48, 64),
        ('n', None, {}),
        ('rate', 1.0, 2.0),
        ('stages', [{'epochs': 1}], [{'epochs': 2}]),
    ]
    assert [item.name for item in differences({}, {'audio': {'mels': 64}})] == ['audio.mels']
    assert not list(differences(found, found))
