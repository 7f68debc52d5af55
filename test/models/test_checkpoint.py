import dataclasses
import json
import pickle
import re
import resource
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from activity_recognition.checkpoint_folder import shipped_checkpoint
from activity_recognition.config import Architecture
from activity_recognition.config_io import load_model_config
from activity_recognition.errors import CheckpointError, ConfigError, OutputError
from activity_recognition.models.checkpoint import (
    load_checkpoint,
    save_checkpoint,
)
from activity_recognition.models.weight_file import (
    MAX_STREAM_BYTES,
    check_sizes,
    stream_bytes,
)
from factories.batches import random_batch
from factories.networks import MOVING, MOVING_ALONE, TINY, make_system, tokenizer_for

FILES = {'model.safetensors', 'config.json', 'tokenizer.json', 'metrics.json', 'README.md'}


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """A checkpoint folder, never to be changed."""
    folder = tmp_path_factory.mktemp('checkpoints') / 'tiny'
    save_checkpoint(
        folder,
        make_system(TINY),
        tokenizer_for(TINY),
        temperature=1.7,
        metrics={'accuracy': 0.5},
        card='# Tiny\n',
    )
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to damage."""
    return shutil.copytree(saved, tmp_path / 'tiny')


def edit_config(folder, change):
    path = folder / 'config.json'
    content = json.loads(path.read_text(encoding='utf-8'))
    change(content)
    path.write_text(json.dumps(content), encoding='utf-8')


def edit_weights(folder, change):
    path = folder / 'model.safetensors'
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def refused(folder, *words):
    """Return the refusal, which must name every one of the words."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    message = str(caught.value)
    for word in words:
        assert word in message, message
    return message


class TestRoundTrip:
    def test_the_folder_holds_five_files(self, saved):
        assert {path.name for path in saved.iterdir()} == FILES
        assert (saved / 'README.md').read_text(encoding='utf-8') == '# Tiny\n'
        assert [path.name for path in saved.parent.iterdir()] == ['tiny']

    def test_everything_comes_back(self, saved):
        loaded = load_checkpoint(saved)
        assert loaded.config == TINY
        assert loaded.temperature == 1.7
        assert loaded.metrics == {'accuracy': 0.5}
        assert loaded.path == saved
        assert loaded.tokenizer.encode('hello robot') == tokenizer_for(TINY).encode('hello robot')
        assert not loaded.system.training
        batch = random_batch(TINY)
        with torch.no_grad():
            assert torch.equal(loaded.system(batch), make_system(TINY)(batch))

    @pytest.mark.parametrize('config', [MOVING, MOVING_ALONE])
    def test_late_settings_are_written_where_they_say_something(self, saved, tmp_path, config):
        video = json.loads((saved / 'config.json').read_text(encoding='utf-8'))['model']['video']
        assert not any(name.startswith(('motion', 'appearance')) for name in video)
        save_checkpoint(
            tmp_path / 'moving', make_system(config), tokenizer_for(config), temperature=1.0
        )
        assert load_checkpoint(tmp_path / 'moving').config == config

    def test_a_path_may_be_a_string(self, saved):
        assert load_checkpoint(str(saved)).id == load_checkpoint(saved).id

    def test_the_id_is_the_same_for_the_same_checkpoint(self, saved, tmp_path):
        first = load_checkpoint(saved).id
        assert re.fullmatch('[0-9a-f]{12}', first)
        same = tmp_path / 'same'
        save_checkpoint(
            same, make_system(TINY), tokenizer_for(TINY), temperature=1.7, card='# Again\n'
        )
        assert load_checkpoint(same).id == first

    def test_the_id_changes_with_the_weights(self, saved, tmp_path):
        other = tmp_path / 'other'
        save_checkpoint(other, make_system(TINY, seed=1), tokenizer_for(TINY), temperature=1.7)
        assert load_checkpoint(other).id != load_checkpoint(saved).id

    @pytest.mark.parametrize(
        'change',
        [
            lambda content: content['calibration'].update(temperature=1.8),
            lambda content: content['model'].update(labels=['none', 'waving', 'typing', 'dancing']),
            lambda content: content['model']['video'].update(window_s=0.9),
        ],
        ids=['calibration', 'labels', 'preprocessing'],
    )
    def test_the_id_changes_with_the_configuration(self, saved, folder, change):
        edit_config(folder, change)
        assert load_checkpoint(folder).id != load_checkpoint(saved).id

    def test_the_id_changes_with_the_tokenizer(self, saved, folder):
        path = folder / 'tokenizer.json'
        content = json.loads(path.read_text(encoding='utf-8'))
        vocabulary = content['model']['vocab']
        one, other = list(vocabulary)[-2:]
        vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
        path.write_text(json.dumps(content), encoding='utf-8')
        assert load_checkpoint(folder).id != load_checkpoint(saved).id

    def test_a_double_network_comes_back_as_float32(self, tmp_path):
        save_checkpoint(tmp_path / 'c', make_system(dtype=torch.float64), tokenizer_for(TINY))
        assert load_checkpoint(tmp_path / 'c').system.classifier.weight.dtype == torch.float32

    def test_metrics_may_be_missing(self, folder):
        (folder / 'metrics.json').unlink()
        assert load_checkpoint(folder).metrics == {}

    def test_an_older_checkpoint_is_replaced(self, folder):
        (folder / 'left over').touch()
        save_checkpoint(folder, make_system(TINY, seed=1), tokenizer_for(TINY))
        assert {path.name for path in folder.iterdir()} == FILES
        assert [path.name for path in folder.parent.iterdir()] == ['tiny']

    @pytest.mark.parametrize('precious', ['folder', 'file'])
    def test_nothing_else_is_replaced(self, tmp_path, precious):
        target = tmp_path / 'thesis'
        if precious == 'folder':
            target.mkdir()
        thesis = target / 'thesis.tex' if precious == 'folder' else target
        thesis.write_text('years of work', encoding='utf-8')
        with pytest.raises(CheckpointError, match='found other files; choose another folder'):
            save_checkpoint(target, make_system(TINY), tokenizer_for(TINY))
        assert thesis.read_text(encoding='utf-8') == 'years of work'

    def test_an_empty_folder_is_filled(self, tmp_path):
        save_checkpoint(tmp_path, make_system(TINY), tokenizer_for(TINY))
        assert load_checkpoint(tmp_path).config == TINY

    def test_the_shipped_one_lies_in_the_package(self):
        assert shipped_checkpoint('nano').parts[-3:] == (
            'activity_recognition',
            'checkpoints',
            'nano',
        )


class TestMissing:
    def test_the_folder(self, tmp_path):
        refused(tmp_path / 'none', 'expected a checkpoint folder', 'found none', 'train one')

    def test_a_file_instead_of_a_folder(self, folder):
        refused(folder / 'config.json', 'expected a checkpoint folder')

    @pytest.mark.parametrize('name', ['model.safetensors', 'config.json', 'tokenizer.json'])
    def test_one_file(self, folder, name):
        (folder / name).unlink()
        refused(folder, f'found no {name}', 'copy the whole folder again')


class TestDamagedWeights:
    @pytest.mark.parametrize('share', [0.0, 0.001, 0.5, 0.999])
    def test_truncated(self, folder, share):
        path = folder / 'model.safetensors'
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        refused(folder, 'expected weights in', 'damaged', 'copy the whole folder again')

    def test_a_pickle_in_disguise_is_never_executed(self, folder):
        class Bomb:
            def __reduce__(self):
                return open, (str(folder / 'exploded'), 'w')

        content = pickle.dumps(Bomb())
        (folder / 'model.safetensors').write_bytes(content)
        refused(folder, 'expected weights in', 'damaged')
        (folder / 'tokenizer.json').write_bytes(content)
        (folder / 'config.json').write_bytes(content)
        refused(folder, 'expected JSON in')
        assert not (folder / 'exploded').exists()

    def test_a_torch_file_in_disguise(self, folder):
        torch.save(make_system(TINY).state_dict(), folder / 'model.safetensors')
        refused(folder, 'expected weights in', 'damaged')

    def test_another_shape(self, folder):
        def change(tensors):
            tensors['classifier.weight'] = torch.zeros(4, 7)

        edit_weights(folder, change)
        refused(folder, 'classifier.weight', 'expected (4, 48), got (4, 7)', 'the same run')

    def test_a_missing_tensor(self, folder):
        edit_weights(folder, lambda tensors: tensors.pop('classifier.bias'))
        refused(folder, 'classifier.bias', 'expected (4,), got nothing')

    def test_an_unknown_tensor(self, folder):
        edit_weights(folder, lambda tensors: tensors.update(extra=torch.zeros(2)))
        refused(folder, '1 unknown', 'extra: expected nothing, got (2,)')

    @pytest.mark.parametrize('value', [float('nan'), float('inf')])
    def test_not_finite(self, folder, value):
        def change(tensors):
            tensors['classifier.weight'][1, 2] = value

        edit_weights(folder, change)
        refused(folder, 'expected finite weights', 'classifier.weight', 'train again')

    def test_the_configuration_of_another_network(self, folder):
        edit_config(folder, lambda content: content['model'].update(hidden_dim=32))
        refused(folder, 'does not fit config.json', 'the same run')


class TestWrongConfiguration:
    @pytest.mark.parametrize('version', [0, 2, None, '1', [1]])
    def test_another_schema(self, folder, version):
        edit_config(folder, lambda content: content.update(schema_version=version))
        refused(folder, 'expected schema_version 1', f'got {version!r}', 'train again')

    @pytest.mark.parametrize('content', [b'', b'{', b'\xff\xfe', b'nonsense'])
    def test_no_json(self, folder, content):
        (folder / 'config.json').write_bytes(content)
        refused(folder, 'expected JSON in', 'copy the whole folder again')

    @pytest.mark.parametrize(
        'training', [[1], 'x', {'keys': []}, {'settings': [1]}], ids=['list', 'text', 'keys', 'set']
    )
    def test_metrics_whose_parts_are_none(self, folder, training):
        (folder / 'metrics.json').write_text(json.dumps({'training': training}), encoding='utf-8')
        with pytest.raises(
            CheckpointError, match=r'metrics\.json: training.*: expected an object with keys, got'
        ):
            load_checkpoint(folder)

    @pytest.mark.parametrize('name', ['config.json', 'metrics.json'])
    def test_no_object(self, folder, name):
        (folder / name).write_text('[]', encoding='utf-8')
        refused(folder, f'{folder / name}: expected an object with keys, got []', 'copy the whole')

    def test_an_unknown_key_of_the_model(self, folder):
        edit_config(folder, lambda content: content['model']['video'].update(widht=16))
        refused(folder, "video: unknown key 'widht'; did you mean 'width'?", 'train again')

    def test_an_unknown_key_of_the_file(self, folder):
        edit_config(folder, lambda content: content.update(calibraton={}))
        refused(folder, "unknown key 'calibraton'")

    @pytest.mark.parametrize(
        'key', ['hidden_dim', 'labels', 'video', 'audio.hop_s', 'text.window_s', 'video.max_tokens']
    )
    def test_a_missing_key_gets_no_default(self, folder, key):
        def change(content):
            *outer, name = key.split('.')
            target = content['model'][outer[0]] if outer else content['model']
            del target[name]

        edit_config(folder, change)
        refused(folder, f'missing {key}')

    @pytest.mark.parametrize('key', ['model', 'calibration'])
    def test_a_missing_part(self, folder, key):
        edit_config(folder, lambda content: content.pop(key))
        refused(folder, f"expected the key '{key}', found none")

    @pytest.mark.parametrize('value', [[], 'nano', None, 3])
    def test_a_model_that_is_no_object(self, folder, value):
        edit_config(folder, lambda content: content.update(model=value))
        refused(folder, 'does not describe a model', 'model')

    @pytest.mark.parametrize('value', [0, -1.0, 'warm', None, []])
    def test_a_senseless_temperature(self, folder, value):
        edit_config(folder, lambda content: content['calibration'].update(temperature=value))
        refused(folder, 'does not describe a model')

    @pytest.mark.parametrize(('value', 'word'), [('nan', 'NaN'), ('inf', 'Infinity')])
    def test_a_temperature_that_is_no_finite_number(self, folder, value, word):
        edit_config(folder, lambda content: content['calibration'].update(temperature=float(value)))
        refused(folder, f'expected finite numbers, got {word}', 'copy the whole folder again')

    @pytest.mark.parametrize('value', [None, [], 2])
    def test_a_calibration_that_is_no_object(self, folder, value):
        edit_config(folder, lambda content: content.update(calibration=value))
        refused(folder, 'does not describe a model')

    @pytest.mark.parametrize('value', [0, 10**9, 'many', 1.5, True])
    def test_a_value_of_another_type_or_range(self, folder, value):
        edit_config(folder, lambda content: content['model'].update(hidden_dim=value))
        refused(folder, 'does not describe a model', 'hidden_dim')


class TestMemory:
    """What a configuration asks for is compared with the weights before it is allocated."""

    @pytest.fixture(autouse=True)
    def little_memory(self):
        pages = int(Path('/proc/self/statm').read_text().split()[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        limit = pages * resource.getpagesize() + 2**30
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
        yield
        resource.setrlimit(resource.RLIMIT_AS, before)

    @pytest.mark.parametrize(
        ('part', 'values', 'word'),
        [
            (None, {'hidden_dim': 4096}, 'does not fit config.json'),
            ('text', {'vocab_size': 1_000_000, 'width': 4096}, 'does not fit config.json'),
            ('video', {'width': 4096, 'spatial_depth': 64}, 'does not fit config.json'),
            ('video', {'stem_channels': [8, 10**9]}, 'at most 65536'),
            ('audio', {'channels': [30_000, 30_000]}, 'does not fit config.json'),
            ('audio', {'dilations': [10**9]}, 'at most 65536'),
            ('audio', {'dilations': [1] * 100_000}, 'at most 64 numbers'),
        ],
    )
    def test_a_network_that_is_larger_than_its_weights(self, folder, part, values, word):
        def change(content):
            (content['model'][part] if part else content['model']).update(values)

        edit_config(folder, change)
        refused(folder, word)

    def test_a_stream_that_takes_too_much(self, folder):
        config = dataclasses.replace(
            TINY,
            hidden_dim=64,
            video=dataclasses.replace(TINY.video, max_tokens=8192, temporal_depth=64),
        )
        assert stream_bytes(TINY) < 2**20 < stream_bytes(config)
        check_sizes(config, num_tensors=100)
        wide = dataclasses.replace(config, hidden_dim=512)
        with pytest.raises(ConfigError, match=r'a stream takes up to 1073741824 bytes'):
            check_sizes(wide, num_tensors=100)

    @pytest.mark.parametrize(
        'name', ['nano', 'small', 'base', 'clips', 'sound', 'joints', 'joints_detailed']
    )
    def test_presets_are_far_from_the_bound(self, name):
        assert stream_bytes(load_model_config(name)) < MAX_STREAM_BYTES / 10

    @pytest.mark.parametrize(
        ('architecture', 'word'),
        [
            ({'num_hidden_layers': 10**6}, 'num_hidden_layers up to 100'),
            ({'encoder': {'depths': [2, 101]}}, 'depths up to 100'),
            ({'hidden_size': 10**9}, 'hidden_size up to 16777216'),
        ],
    )
    def test_the_architecture_of_a_backbone(self, architecture, word):
        text = dataclasses.replace(
            TINY.text, backbone='some', architecture=Architecture.of(architecture)
        )
        with pytest.raises(ConfigError, match=word):
            check_sizes(dataclasses.replace(TINY, text=text), num_tensors=100)

    @pytest.mark.parametrize('dtype', ['int32', 'int64', 'uint8', 'bool', 'complex64'])
    def test_weights_of_a_type_that_is_no_weights(self, folder, dtype):
        def change(tensors):
            bias = tensors['classifier.bias']
            tensors['classifier.bias'] = bias.to(getattr(torch, dtype))

        edit_weights(folder, change)
        refused(folder, 'expected classifier.bias in F64, F32, F16, BF16, got')

    @pytest.mark.parametrize('dtype', ['float8_e4m3fn', 'float8_e5m2'])
    def test_weights_of_eight_bits(self, folder, dtype):
        edit_weights(
            folder,
            lambda tensors: tensors.update(
                {'classifier.bias': tensors['classifier.bias'].to(getattr(torch, dtype))}
            ),
        )
        refused(folder, 'expected classifier.bias in F64', 'got F8')

    @pytest.mark.parametrize('dtype', ['float64', 'float16', 'bfloat16'])
    def test_weights_of_other_floating_types(self, folder, dtype):
        edit_weights(
            folder,
            lambda tensors: tensors.update(
                {k: v.to(getattr(torch, dtype)) for k, v in tensors.items()}
            ),
        )
        weight = load_checkpoint(folder).system.classifier.weight
        assert weight.dtype == torch.float32

    def test_weights_that_float32_cannot_hold(self, folder):
        edit_weights(
            folder,
            lambda tensors: tensors.update(
                {'classifier.bias': torch.full((4,), 1e200, dtype=torch.float64)}
            ),
        )
        refused(folder, 'expected finite weights', 'classifier.bias')

    @pytest.mark.parametrize('name', ['config.json', 'tokenizer.json', 'metrics.json'])
    def test_files_of_text_that_are_too_large(self, folder, name):
        with (folder / name).open('ab') as file:
            file.truncate(10**12)
        refused(folder, name, 'expected at most 67108864 bytes')

    def test_json_that_is_nested_too_deep(self, folder):
        (folder / 'config.json').write_text('[' * 100_000, encoding='utf-8')
        refused(folder, 'expected JSON in')


class TestWrongTokenizer:
    def test_garbage(self, folder):
        (folder / 'tokenizer.json').write_bytes(b'\x80\x04garbage')
        refused(folder, 'expected a tokenizer at', 'copy the whole')

    def test_more_tokens_than_the_network_has(self, folder):
        path = folder / 'tokenizer.json'
        content = json.loads(path.read_text(encoding='utf-8'))
        vocabulary = content['model']['vocab']
        vocabulary.update({f'more{index}': len(vocabulary) + index for index in range(64)})
        path.write_text(json.dumps(content), encoding='utf-8')
        refused(folder, 'expected at most text.vocab_size=64 subword tokens', 'the same run')


def test_a_full_disk_leaves_the_old_checkpoint(folder, small_files):
    before = load_checkpoint(folder).id
    with small_files, pytest.raises(OutputError, match=f'{folder}: cannot write the checkpoint'):
        save_checkpoint(folder, make_system(TINY, seed=2), tokenizer_for(TINY))
    assert load_checkpoint(folder).id == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
