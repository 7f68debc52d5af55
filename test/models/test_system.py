import dataclasses
import itertools

import pytest
import torch

from activity_recognition.errors import ShapeError
from activity_recognition.modalities import modalities_of
from activity_recognition.models.attention import QUERY_CHUNK
from activity_recognition.models.system import batch_keys
from activity_recognition.types import MODALITIES, Modality, Status, to_ns
from factories.batches import mask, pad, random_batch, remove, scramble
from factories.networks import TINY, WRAPPING, make_system
from factories.streams import START_NS

SETS = [chosen for count in range(4) for chosen in itertools.combinations(MODALITIES, count)]
names = {'ids': lambda chosen: '+'.join(chosen) or 'none'}


def only(batch, chosen):
    for modality in MODALITIES:
        if modality not in chosen:
            batch = remove(batch, modality)
    return batch


def test_names_of_the_specification(exact_system):
    children = dict(exact_system.named_children())
    assert {
        'video_encoder': 'VideoTransformer',
        'audio_encoder': 'AudioCNN',
        'text_encoder': 'TextTransformer',
        'cross_attention': 'CrossModalAttention',
        'classifier': 'Linear',
    }.items() <= {name: type(child).__name__ for name, child in children.items()}.items()
    assert exact_system.classifier.in_features == 3 * TINY.hidden_dim
    assert exact_system.postprocess.config.window_size == 5


@pytest.mark.parametrize('chosen', SETS, **names)
def test_shapes_and_presence_with_none_to_three_modalities(exact_system, chosen):
    batch = only(random_batch(TINY, rows=2, decisions=4), chosen)
    output = exact_system.forward_detailed(batch)
    assert output.logits.shape == (2, 4, TINY.num_activities)
    assert output.logits.isfinite().all()
    for modality in MODALITIES:
        assert output.unimodal[modality].shape == output.logits.shape
        assert output.present[modality].shape == (2, 4)
        assert output.present[modality][:, -1].all() == (modality in chosen)
    assert torch.equal(exact_system(batch), output.logits)


def test_no_decision_is_an_empty_answer(exact_system):
    output = exact_system.forward_detailed(random_batch(TINY, decisions=0))
    assert output.logits.shape == (1, 0, TINY.num_activities)


@pytest.mark.parametrize('absent', MODALITIES)
def test_a_masked_modality_is_an_absent_one(exact_system, absent):
    batch = random_batch(TINY, rows=2)
    expected = exact_system(remove(batch, absent))
    for masked in (mask(batch, absent), scramble(mask(batch, absent), absent)):
        output = exact_system.forward_detailed(masked)
        torch.testing.assert_close(output.logits, expected, atol=1e-12, rtol=0)
        assert not output.present[absent].any()


@pytest.mark.parametrize('modality', MODALITIES)
def test_a_modality_that_is_there_counts(exact_system, modality):
    batch = random_batch(TINY)
    before = exact_system(batch)
    assert not torch.allclose(exact_system(scramble(batch, modality)), before)


@pytest.mark.parametrize(
    ('dtype', 'tolerance'), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=str
)
@pytest.mark.parametrize('config', [TINY, WRAPPING], ids=['tiny', 'wrapping'])
def test_rows_of_a_batch_equal_single_rows(config, dtype, tolerance):
    system = make_system(config, dtype=dtype)
    sizes = [(6, 20, 3, 5), (2, 9, 0, 3), (0, 13, 2, 1), (9, 0, 1, 4)]
    rows = [
        random_batch(config, frames=f, blocks=a, utterances=u, decisions=q, seed=seed)
        for seed, (f, a, u, q) in enumerate(sizes)
    ]
    largest = random_batch(config, frames=9, blocks=20, utterances=3, decisions=5)
    padded = [pad(row, largest) for row in rows]
    batch = {key: torch.cat([row[key] for row in padded]) for key in largest}
    with torch.no_grad():
        together = system.forward_detailed(batch)
        for index, row in enumerate(rows):
            alone = system.forward_detailed(row)
            count = alone.logits.shape[1]
            torch.testing.assert_close(
                together.logits[index, :count], alone.logits[0], atol=tolerance, rtol=tolerance
            )
            for modality in MODALITIES:
                there = alone.present[modality][0]
                assert torch.equal(together.present[modality][index, :count], there)
                torch.testing.assert_close(
                    together.unimodal[modality][index, :count][there],
                    alone.unimodal[modality][0][there],
                    atol=tolerance,
                    rtol=tolerance,
                )


def without_gradient(system, batch):
    """Return the names of the parameters that a loss over everything does not reach."""
    system.zero_grad()
    output = system.forward_detailed(batch)
    loss = output.logits.pow(3).sum()
    for modality in MODALITIES:
        loss = loss + output.unimodal[modality][output.present[modality]].pow(3).sum()
    loss.backward()
    return {
        name
        for name, parameter in system.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


ABSENCE = {f'cross_attention.modalities.{m}.absent' for m in MODALITIES}
CANCELS = {'text_encoder.encoder.encoder.layer.0.attention.self.key.bias'}
"""What is added to every key alike cancels in the softmax: its gradient is rounding at most."""


def test_gradients_reach_every_parameter():
    system = make_system(TINY, dtype=torch.float64)
    missing = without_gradient(system, random_batch(TINY))
    # No text at the first decision, everything at the last: two learned states of absence remain.
    assert missing - CANCELS == ABSENCE - {'cross_attention.modalities.text.absent'}


@pytest.mark.parametrize('absent', MODALITIES)
def test_an_absent_modality_trains_its_absence_and_not_its_encoder(absent):
    system = make_system(TINY, dtype=torch.float64)
    missing = without_gradient(system, remove(random_batch(TINY), absent)) - CANCELS
    layers = f'cross_attention.modalities.{absent}'
    its_own = {
        name
        for name, _ in system.named_parameters()
        if name.startswith(
            (
                f'{absent}_encoder.',
                f'unimodal_heads.{absent}.',
                f'{layers}.age.',
                f'{layers}.age_bias.',
                f'{layers}.key_value.',
            )
        )
    } - CANCELS
    present = {f'cross_attention.modalities.{m}.absent' for m in MODALITIES if m is not absent}
    present -= {'cross_attention.modalities.text.absent'}
    assert missing == its_own | present


@pytest.mark.parametrize('chosen', SETS, **names)
def test_autocast_returns_float32_logits(chosen):
    system = make_system(TINY)
    batch = only(random_batch(TINY), chosen)
    with torch.no_grad():
        exact = system.forward_detailed(batch)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            rough = system.forward_detailed(batch)
    assert rough.logits.dtype == torch.float32
    assert {value.dtype for value in rough.unimodal.values()} == {torch.float32}
    assert (rough.logits - exact.logits).abs().max() < 0.1


def test_decisions_from_masked_tokens_equal_masked_samples(exact_system):
    batch = random_batch(TINY)
    tokens = exact_system.encode(batch)
    audio = tokens[Modality.AUDIO]
    hidden = dataclasses.replace(audio, mask=torch.zeros_like(audio.mask))
    found = exact_system.decide({**tokens, Modality.AUDIO: hidden}, batch)
    expected = exact_system(mask(batch, Modality.AUDIO))
    torch.testing.assert_close(found.logits, expected, atol=1e-12, rtol=0)


def test_any_epoch_gives_the_same_answer(exact_system):
    """Only differences of times count, whatever clock they come from."""
    batch = random_batch(TINY)
    before = exact_system(batch)
    times = [key for key in batch if key.endswith(('stamps', 'arrivals'))]
    shifted = {**batch, **{key: batch[key] - START_NS + 17 for key in times}}
    assert torch.equal(exact_system(shifted), before)


def test_a_lost_frame_shifts_no_age(exact_system):
    batch = random_batch(TINY, frames=8)
    kept = [0, 1, 3, 4, 6, 7]
    gone = {**batch, 'frame_mask': torch.zeros(1, 8, dtype=torch.bool)}
    gone['frame_mask'][:, kept] = True
    lost = {
        key: value[:, kept] if key.startswith('frame') else value for key, value in batch.items()
    }
    torch.testing.assert_close(exact_system(gone), exact_system(lost), atol=1e-12, rtol=0)


class TestOptimizedForward:
    def test_it_equals_forward_and_smooths(self, exact_system):
        batch = random_batch(TINY, decisions=6)
        logits, answers = exact_system.optimized_forward(batch)
        torch.testing.assert_close(logits, exact_system(batch).detach(), atol=1e-12, rtol=0)
        probabilities = logits[0].softmax(-1).float()
        torch.testing.assert_close(
            torch.from_numpy(answers[-1].probabilities),
            probabilities[-5:].mean(0),
            atol=1e-6,
            rtol=0,
        )

    def test_the_state_is_the_callers(self, exact_system):
        batch = random_batch(TINY, decisions=2)
        state = exact_system.postprocess.new_state()
        _, first = exact_system.optimized_forward(batch, state)
        _, again = exact_system.optimized_forward(batch, state)
        _, fresh = exact_system.optimized_forward(batch)
        assert len(state.probabilities) == 4
        assert (again[0].probabilities != first[0].probabilities).any()
        assert (fresh[0].probabilities == first[0].probabilities).all()

    def test_no_data_is_said(self, exact_system):
        batch = only(random_batch(TINY), ())
        _, answers = exact_system.optimized_forward(batch)
        assert {answer.status for answer in answers} == {Status.NO_DATA}

    def test_autocast_and_temperature(self, exact_system):
        system = make_system(TINY)
        batch = random_batch(TINY)
        autocast = torch.autocast('cpu', dtype=torch.bfloat16)
        logits, hot = system.optimized_forward(batch, autocast=autocast, temperature=100.0)
        assert logits.dtype == torch.float32
        assert hot[-1].confidence < 1.05 / TINY.num_activities

    def test_several_recordings_at_once_are_refused(self, exact_system):
        with pytest.raises(ShapeError, match='expected a batch of 1, got 2; use forward'):
            exact_system.optimized_forward(random_batch(TINY, rows=2))


KEYS = batch_keys(modalities_of(TINY))


@pytest.mark.parametrize('key', KEYS)
def test_a_missing_key_is_named(exact_system, key):
    batch = random_batch(TINY)
    del batch[key]
    with pytest.raises(ShapeError, match=rf"expected the key '{key}'"):
        exact_system(batch)


@pytest.mark.parametrize(
    ('key', 'change', 'expected'),
    [
        ('frames', lambda x: x.float(), 'uint8 with 5 dimensions, got torch.float32'),
        ('frames', lambda x: x[0], 'uint8 with 5 dimensions'),
        ('frame_stamps', lambda x: x.double(), 'int64 with 2 dimensions, got torch.float64'),
        ('spectrogram_mask', lambda x: x.float(), 'bool with 2 dimensions'),
        ('spectrograms', lambda x: x.int(), 'float32 with 4 dimensions'),
    ],
)
def test_wrong_dtype_or_dimensions_are_refused(exact_system, key, change, expected):
    batch = random_batch(TINY)
    batch[key] = change(batch[key])
    with pytest.raises(ShapeError, match=expected):
        exact_system(batch)


def test_reach_and_windows_add_up(exact_system):
    audio = exact_system.audio_encoder.receptive_field_s
    assert exact_system.receptive_field_s == {
        Modality.VIDEO: 3.0,
        Modality.AUDIO: 1.0 + audio,
        Modality.TEXT: 5.0,
    }
    assert to_ns(audio) > 0


@pytest.mark.parametrize('decisions', [0, 5, QUERY_CHUNK + 3])
def test_the_heads_say_the_same_without_the_fusion(exact_system, decisions):
    batch = random_batch(TINY, rows=2, decisions=decisions)
    expected, found = exact_system.forward_detailed(batch), exact_system.forward_heads(batch)
    for name in ('unimodal', 'present', 'states'):
        for modality, value in getattr(expected, name).items():
            assert torch.equal(getattr(found, name)[modality], value), (name, modality)


def test_encoders_that_do_not_learn_say_the_same_and_get_no_gradient():
    system = make_system(TINY, dtype=torch.float64)
    batch = random_batch(TINY, rows=2)
    learning = system.forward_detailed(batch).logits
    found = system.forward_detailed(batch, encoders_learn=False).logits
    torch.testing.assert_close(found, learning, atol=1e-12, rtol=0)
    found.pow(3).sum().backward()
    encoders = [p for encoder in system.encoders.values() for p in encoder.parameters()]
    assert all(p.grad is None for p in encoders)
    assert system.cross_attention.null_key_value.grad.any()
