"""Features that a checkpoint keeps: what is written comes back, what is damaged is refused."""

import dataclasses
import json
import pickle
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from activity_recognition.errors import CheckpointError
from activity_recognition.models.checkpoint import load_checkpoint, save_checkpoint
from activity_recognition.models.rehearsal import (
    MAX_BYTES,
    REHEARSAL,
    DecisionFeatures,
    bytes_of_decision,
    joined,
    load_rehearsal,
    subsets_of,
)
from factories.networks import ATTENDING, TINY, make_system, tokenizer_for, with_modalities


def made_up(config=TINY, count=6, seed=0):
    """Return decisions of some clips, as a network of ``config`` would see them."""
    draw = torch.Generator().manual_seed(seed)
    modalities, width = len(config.modalities), config.hidden_dim
    present = torch.rand(count, modalities, generator=draw) > 0.3
    present[:, 0] = True
    return DecisionFeatures(
        states=torch.randn(count, modalities, width, generator=draw) * present.unsqueeze(-1),
        present=present,
        features=torch.randn(
            count, len(subsets_of(modalities)), modalities * width, generator=draw
        ),
        reliability=torch.rand(count, modalities, generator=draw) * present,
        targets=torch.arange(count) % config.num_activities,
        clips=torch.arange(count) // 2 + 5,
    )


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """A checkpoint that keeps features, never to be changed."""
    folder = tmp_path_factory.mktemp('checkpoints') / 'tiny'
    save_checkpoint(folder, make_system(), tokenizer_for(TINY), rehearsal=made_up())
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to damage."""
    return shutil.copytree(saved, tmp_path / 'tiny')


def edit(folder, change, **metadata):
    """Change the tensors of the file."""
    path = folder / REHEARSAL
    with safe_open(path, framework='pt') as file:
        said = {**file.metadata(), **metadata}
    tensors = load_file(path)
    change(tensors)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata=said)


def refused(folder, *words):
    """Make sure that the features are refused in these words, and that the network still loads."""
    checkpoint = load_checkpoint(folder)
    with pytest.raises(CheckpointError) as caught:
        load_rehearsal(folder, checkpoint.system)
    for word in (REHEARSAL, 'remove the file', *words):
        assert word in str(caught.value), str(caught.value)


class TestRoundTrip:
    @pytest.mark.parametrize('config', [TINY, ATTENDING, with_modalities('audio')])
    def test_everything_comes_back_but_for_rounding(self, tmp_path, config):
        kept = made_up(config)
        save_checkpoint(tmp_path / 'c', make_system(config), tokenizer_for(config), rehearsal=kept)
        found = load_rehearsal(tmp_path / 'c', load_checkpoint(tmp_path / 'c').system)
        wanted = kept.for_keeping(config)
        assert wanted.features.shape[1] == (4 if config is ATTENDING else 0)
        for name in ('states', 'features', 'reliability'):
            torch.testing.assert_close(
                getattr(found, name), getattr(wanted, name), atol=2e-3, rtol=1e-3
            )
        assert torch.equal(found.present, kept.present)
        assert torch.equal(found.targets, kept.targets)
        assert found.clips.tolist() == [0, 0, 1, 1, 2, 2]

    def test_the_size_of_a_decision_is_known(self, saved):
        content = (saved / REHEARSAL).stat().st_size
        assert 6 * bytes_of_decision(TINY) < content < 6 * bytes_of_decision(TINY) + 1000

    def test_the_id_is_that_of_the_same_checkpoint_without(self, saved, tmp_path):
        save_checkpoint(tmp_path / 'c', make_system(), tokenizer_for(TINY))
        assert not (tmp_path / 'c' / REHEARSAL).exists()
        assert load_checkpoint(tmp_path / 'c').id == load_checkpoint(saved).id

    def test_a_checkpoint_without_has_none(self, folder):
        (folder / REHEARSAL).unlink()
        assert load_rehearsal(folder, load_checkpoint(folder).system) is None

    def test_saving_without_removes_those_of_before(self, folder):
        save_checkpoint(folder, make_system(seed=1), tokenizer_for(TINY))
        assert not (folder / REHEARSAL).exists()

    def test_numbers_too_large_for_float16_become_the_largest(self, tmp_path):
        kept = made_up()
        kept = dataclasses.replace(kept, states=kept.states * 1e9)
        save_checkpoint(tmp_path / 'c', make_system(), tokenizer_for(TINY), rehearsal=kept)
        found = load_rehearsal(tmp_path / 'c', load_checkpoint(tmp_path / 'c').system)
        assert float(found.states.abs().max()) == torch.finfo(torch.float16).max


class TestDamaged:
    @pytest.mark.parametrize('share', [0.0, 0.01, 0.5, 0.999])
    def test_truncated(self, folder, share):
        path = folder / REHEARSAL
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        refused(folder, 'damaged')

    def test_a_pickle_in_disguise_is_never_executed(self, folder):
        class Bomb:
            def __reduce__(self):
                return open, (str(folder / 'exploded'), 'w')

        (folder / REHEARSAL).write_bytes(pickle.dumps(Bomb()))
        refused(folder, 'damaged')
        assert not (folder / 'exploded').exists()

    def test_a_folder_in_its_place(self, folder):
        (folder / REHEARSAL).unlink()
        (folder / REHEARSAL).mkdir()
        refused(folder, 'damaged')

    def test_too_large(self, folder):
        with (folder / REHEARSAL).open('r+b') as file:
            file.truncate(MAX_BYTES + 1)
        refused(folder, f'at most {MAX_BYTES} bytes, got {MAX_BYTES + 1}')

    @pytest.mark.parametrize('name', ['states', 'present', 'targets', 'clips', 'reliability'])
    def test_a_missing_tensor(self, folder, name):
        edit(folder, lambda tensors: tensors.pop(name))
        refused(folder, 'expected the tensors')

    def test_an_unknown_tensor(self, folder):
        edit(folder, lambda tensors: tensors.update(more=torch.zeros(2)))
        refused(folder, 'expected the tensors', 'more')

    @pytest.mark.parametrize('name', ['states', 'present', 'clips', 'reliability', 'features'])
    def test_another_shape(self, folder, name):
        def change(tensors):
            tensors[name] = torch.zeros((7, 2), dtype=tensors[name].dtype)

        edit(folder, change)
        refused(folder, f'expected {name} of the shape')

    def test_no_decision(self, folder):
        edit(folder, lambda tensors: tensors.update({k: v[:0] for k, v in tensors.items()}))
        refused(folder, 'at least one decision')

    @pytest.mark.parametrize(
        ('name', 'dtype'), [('states', torch.float32), ('targets', torch.int64)]
    )
    def test_another_type(self, folder, name, dtype):
        edit(folder, lambda tensors: tensors.update({name: tensors[name].to(dtype)}))
        refused(folder, f'expected {name} in')

    @pytest.mark.parametrize('name', ['states', 'reliability'])
    @pytest.mark.parametrize('value', [float('nan'), float('inf')])
    def test_not_finite(self, folder, name, value):
        edit(folder, lambda tensors: tensors[name].view(-1)[:1].fill_(value))
        refused(folder, 'NaN or infinity', name)

    @pytest.mark.parametrize(
        ('name', 'value'),
        [('targets', 4), ('targets', -1), ('clips', 6), ('clips', -1), ('present', 2)],
    )
    def test_out_of_range(self, folder, name, value):
        edit(folder, lambda tensors: tensors[name].view(-1)[:1].fill_(value))
        refused(folder, f'expected {name} from 0 to')

    def test_of_other_encoders(self, folder):
        other = folder.parent / 'other'
        save_checkpoint(other, make_system(seed=1), tokenizer_for(TINY), rehearsal=made_up())
        shutil.copy(other / REHEARSAL, folder)
        refused(folder, 'those of others', 'the same run')

    def test_of_another_version(self, folder):
        edit(folder, lambda tensors: None, version='2')
        refused(folder, "expected version 1, got '2'")

    def test_of_another_label_set(self, folder):
        """A configuration with fewer labels does not fit the weights either."""
        path = folder / 'config.json'
        content = json.loads(path.read_text(encoding='utf-8'))
        content['model']['labels'] = content['model']['labels'][:3]
        path.write_text(json.dumps(content), encoding='utf-8')
        with pytest.raises(CheckpointError, match='does not fit'):
            load_checkpoint(folder)


class TestDecisions:
    def test_clips_of_parts_stay_apart(self):
        both = joined([made_up(), made_up(seed=1)])
        assert len(both) == 12
        assert len(torch.unique(both.clips)) == 6

    def test_classes_that_are_gone_take_their_decisions_along(self):
        kept = made_up()  # of the classes 0, 1, 2, 3, 0, 1
        assert kept.with_classes([2, -1, 0, 1]).targets.tolist() == [2, 0, 1, 2]
