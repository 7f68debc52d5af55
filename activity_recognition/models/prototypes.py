"""Experts of words and sounds that begin from what is written of each label, without recordings.

They are weights of the usual network: a checkpoint with them is loaded, run, exported and trained
on like any other. The LayerNorm of an encoder, which brings all tokens to one length, computes the
cosine; the modality's own head holds the prototypes (Snell et al. 2017, "Prototypical Networks for
Few-shot Learning").

Shapes: N sentences, L labels or subword tokens, W width of the text network, D width, R directions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from activity_recognition.errors import ConfigError
from activity_recognition.models.encoders.audio import AudioCNN
from activity_recognition.models.encoders.convolutions import DilatedBlock
from activity_recognition.models.encoders.sound_scores import SoundScores
from activity_recognition.models.encoders.text import TextTransformer
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.models.tokenizer import TextTokenizer
from activity_recognition.types import Modality

SHARPEST, BLUNTEST = 20.0, 1.0
"""Bounds of the factor on cosines: 20 is what MiniLM's sentence embeddings were trained with."""
HEARD = 0.3
"""Score of YAMNet at which a sound is as likely as that none of a label's is heard. Not fitted to
anything: the threshold above which its authors' example program shows a sound."""
_SENTENCES_AT_ONCE = 32


@dataclass(frozen=True, slots=True, eq=False)
class WordPrototypes:
    """What people say when something happens, as a text network sees it."""

    means: NDArray[np.float64]
    """(L, W), of unit length; zeros for a label without sentences."""
    sharpness: float
    """Factor on the cosines."""
    other: float
    """Cosine at which no label with sentences is as likely as one."""
    recalled: float
    """Share of the sentences whose label the others find; each is left out in turn."""

    @property
    def spoken(self) -> NDArray[np.bool_]:
        """Whether each label has sentences, (L,)."""
        return np.asarray(self.means.any(1), np.bool_)


@torch.no_grad()
def embed_sentences(
    encoder: TextTransformer, tokenizer: TextTokenizer, sentences: Sequence[str]
) -> NDArray[np.float64]:
    """Return what a text network makes of sentences, (N, W), of unit length.

    The mean over the states of a sentence's subword tokens, then normalised: as the authors of
    all-MiniLM-L6-v2 compute it.

    Args:
        encoder: whose transformer is asked, in evaluation mode.
        tokenizer: of the same network.
        sentences: one or more.
    """
    found = []
    for first in range(0, len(sentences), _SENTENCES_AT_ONCE):
        ids = [tokenizer.encode(text) for text in sentences[first : first + _SENTENCES_AT_ONCE]]
        padded = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in ids], batch_first=True)
        lengths = torch.tensor([[len(row)] for row in ids])
        pooled = encoder.pool(padded, torch.arange(padded.shape[1]) < lengths)
        found.append(F.normalize(pooled.double(), dim=-1).numpy())
    return np.concatenate(found)


def fit_prototypes(
    embeddings: NDArray[np.float64], labels: Sequence[int], count: int
) -> WordPrototypes:
    """Make prototypes of sentences, and fit how sharply cosines tell labels apart.

    Each sentence is left out in turn and has to be found by the others of its label; where there
    are labels without sentences, it also has to be found to be of none of the labels when its own
    is not there.

    Args:
        embeddings: of the sentences, (N, W), of unit length.
        labels: index of each sentence's label; at least two sentences of each.
        count: L, labels with sentences or without.
    """
    of = np.asarray(labels)
    means = np.stack([_mean(embeddings[of == label]) for label in range(count)])
    cosines = embeddings @ means.T
    for row, label in enumerate(of):
        others = (of == label) & (np.arange(len(of)) != row)
        cosines[row, label] = embeddings[row] @ _mean(embeddings[others])
    spoken = np.flatnonzero(np.bincount(of, minlength=count))
    found = torch.from_numpy(cosines[:, spoken])
    targets = torch.from_numpy(np.searchsorted(spoken, of))
    sharpness, other = _fit(found, targets, with_other=len(spoken) < count)
    recalled = float((found.argmax(1) == targets).double().mean())
    return WordPrototypes(means, sharpness, other, recalled)


def _mean(embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction (W,) in the middle of some of unit length; zeros of none."""
    total = embeddings.sum(0)
    length = float(np.linalg.norm(total))
    return total / length if length else total


def _fit(cosines: Tensor, targets: Tensor, *, with_other: bool) -> tuple[float, float]:
    """Return the factor and the cosine of other things that make the right answers most likely.

    Args:
        cosines: of left-out sentences to the labels, (N, L).
        targets: index of the right label, (N,).
        with_other: whether there is an answer beside those labels.
    """
    own = F.one_hot(targets, cosines.shape[1]).bool()
    absent = cosines.masked_fill(own, -math.inf)
    nothing = torch.full((len(cosines), 1), -math.inf, dtype=cosines.dtype)
    at_other = torch.full_like(targets, cosines.shape[1])

    def loss(sharpness: float, other: float) -> float:
        last = torch.full_like(nothing, other) if with_other else nothing
        here = F.cross_entropy(sharpness * torch.cat((cosines, last), 1), targets)
        if not with_other:
            return float(here)
        return float(here + F.cross_entropy(sharpness * torch.cat((absent, last), 1), at_other))

    # Two numbers in known bounds: a grid finds them, and always the same ones.
    sharp = np.geomspace(BLUNTEST, SHARPEST, 25)
    places = np.linspace(0.0, 1.0, 51) if with_other else np.zeros(1)
    pairs = [(float(s), float(place)) for s in sharp for place in places]
    return min(pairs, key=lambda pair: loss(*pair))


@torch.no_grad()
def begin_with_words(system: ActivityRecognitionSystem, prototypes: WordPrototypes) -> None:
    """Let the text's own head give cosines to prototypes, times their sharpness, as logits.

    Labels without sentences share what is left: at the cosine of other things. Where D is larger
    than W, the logits are exactly these. Where it is not, the prototypes' directions are kept and
    the others drawn together, so that the order of the labels stays, and the logits of an utterance
    have a common factor near 1.

    Args:
        system: a network with text and ``fusion: experts``; changed.
        prototypes: of its labels, by its text network.

    Raises:
        ConfigError: D is too small for the labels.
    """
    encoder, width = system.text_encoder, system.config.hidden_dim
    means = torch.from_numpy(prototypes.means)
    if width < len(means) + 3:
        raise ConfigError(
            f'hidden_dim must be at least {len(means) + 3} for prototypes of {len(means)} labels, '
            f'got {width}'
        )
    directions = _kept_directions(means, width - 1)
    project = level_directions(width, len(directions)) @ directions
    # Longer than its states are, so that the norm's epsilon is nothing beside them.
    encoder.project.weight.copy_(10.0 * project)
    encoder.project.bias.zero_()
    _as_it_is(encoder.norm)
    spoken = torch.from_numpy(prototypes.spoken)
    head = system.unimodal_heads[Modality.TEXT.value]
    assert isinstance(head, nn.Linear)
    scale = prototypes.sharpness / math.sqrt(width)
    head.weight.copy_(scale * (means @ project.T))
    shared = prototypes.sharpness * prototypes.other - math.log(max(1, int((~spoken).sum())))
    head.bias.copy_(torch.where(spoken, 0.0, shared))


def _kept_directions(means: Tensor, most: int) -> Tensor:
    """Return R directions (R, W), R at most ``most``, by which lengths and cosines are kept.

    Args:
        means: the prototypes, (L, W), which lie among the directions.
        most: largest R.
    """
    rank, width = int(torch.linalg.matrix_rank(means)), means.shape[1]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(width, width, generator=generator, dtype=means.dtype)
    span = torch.linalg.svd(means, full_matrices=False).Vh[:rank]
    beside = torch.linalg.qr(torch.cat((span, drawn))[:width].T).Q.T[rank:]
    kept = min(most - rank, len(beside))
    # The rest of an utterance is as long as before on average.
    return torch.cat((span, beside[:kept] * math.sqrt(len(beside) / max(kept, 1))))


def level_directions(width: int, count: int) -> Tensor:
    """Return directions at right angles whose numbers have a mean of 0, (D, count), float64.

    A LayerNorm takes nothing from what lies in them but its length.

    Args:
        width: D.
        count: less than D.
    """
    place = torch.arange(width, dtype=torch.float64)
    wave = torch.arange(1, count + 1, dtype=torch.float64)
    # Cosines of whole half periods (a discrete cosine transform) without the constant one.
    return math.sqrt(2 / width) * torch.cos(math.pi * (place[:, None] + 0.5) * wave / width)


def _as_it_is(norm: nn.LayerNorm) -> None:
    norm.weight.fill_(1.0)
    norm.bias.zero_()


@torch.no_grad()
def begin_with_sounds(
    system: ActivityRecognitionSystem,
    members: Sequence[Sequence[int]],
    rows: Mapping[int, tuple[NDArray[np.float32], float]],
) -> None:
    """Let the audio's own head give how probable the sounds of each label are, as logits.

    Labels without sounds share what is left: that none is heard above :data:`HEARD`.

    Args:
        system: a network with ``audio.sounds``; changed. What it hears beside its backbone begins
            at zero.
        members: of each label its kinds of sound.
        rows: weights and bias of each kind in the frozen network's classifier.

    Raises:
        ConfigError: D is too small for the labels.
    """
    encoder, width = system.audio_encoder, system.config.hidden_dim
    if width < len(members) + 2:
        raise ConfigError(
            f'hidden_dim must be at least {len(members) + 2} for the sounds of {len(members)} '
            f'labels, got {width}'
        )
    scores = _silenced(encoder)
    kinds = system.config.audio.sounds
    scores.weight.copy_(torch.stack([torch.from_numpy(rows[kind][0]) for kind in kinds]))
    scores.bias.copy_(torch.tensor([rows[kind][1] for kind in kinds]))
    scores.members.copy_(torch.tensor([[float(k in own) for k in kinds] for own in members]))
    directions = level_directions(width, len(members) + 1)
    scores.project.weight.copy_(directions)
    head = system.unimodal_heads[Modality.AUDIO.value]
    assert isinstance(head, nn.Linear)
    audible = scores.members.sum(1) > 0
    head.weight.copy_(
        (scores.length / math.sqrt(width) * directions[:, :-1].T) * audible.unsqueeze(1)
    )
    shared = math.log(HEARD) - math.log(max(1, int((~audible).sum())))
    head.bias.copy_(torch.where(audible, 0.0, shared))


def _silenced(encoder: AudioCNN) -> SoundScores:
    """Set to zero all that is heard beside what the frozen classifier says; return that.

    It is not lost: convolutions before a layer of zeros let it learn, and then learn themselves.
    """
    embedding = encoder.sound_embedding
    assert embedding is not None
    assert embedding.classes is not None
    parts = [embedding.project]
    if isinstance(encoder.embed, nn.Linear):
        parts.append(encoder.embed)
    for block in encoder.blocks:
        assert isinstance(block, DilatedBlock)
        parts.append(block.project)
    for part in parts:
        part.weight.zero_()
        part.bias.zero_()
    _as_it_is(encoder.norm)
    return embedding.classes
