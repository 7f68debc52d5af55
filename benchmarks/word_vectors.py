"""Sentences told apart by word vectors, by the network they are distilled from, and by TF-IDF.

The sentences that are written for the labels of the checkpoint `people`
(config/people/labels.yaml), a fifth of each label's held out, another fifth for each seed; of
labels with patterns of the simulator, patterns and words that training does not have. The same
logistic regression stands behind each (C = 30, settled beforehand).
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from harness import Goal, Report, arguments, publish, seeds_of
from numpy.typing import NDArray
from record import Table, provenance
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from activity_recognition.config_io import load_model_config
from activity_recognition.models.pretrained import load_backbones, read_tokenizer, with_backbones
from activity_recognition.models.prototypes import embed_sentences
from activity_recognition.models.system import ActivityRecognitionSystem
from activity_recognition.simulation.speech import draw_sentence
from activity_recognition.training.data.people_labels import LabelSources, people_labels

NAME, TITLE = 'word_vectors', 'What sentences mean, by word vectors and by whole networks'
DRAWN = 16
"""Sentences of a pattern's intent that training has; a quarter as many are held out."""
Sentences = Sequence[tuple[str, int]]
"""Each with the place of its label."""
Embed = Callable[[Sequence[str]], NDArray[np.float64]]


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    parser = arguments(__doc__, seconds=0.0)
    parser.add_argument('--seeds', type=int, default=5, help='how many, from --seed on')
    chosen = parser.parse_args(argv)
    began, seeds = provenance(), seeds_of(chosen)
    splits = [split(people_labels(), seed) for seed in seeds]
    ways = networks()
    found = {name: [accuracy(way, *halves) for halves in splits] for name, way in ways.items()}
    found['TF-IDF of words'] = [accuracy(tf_idf(known), known, other) for known, other in splits]
    known, other = splits[0]
    words = load_model_config('people').text
    rows = [
        [name, *(f'{value:.1f}' for value in values), f'{statistics.fmean(values):.1f}']
        for name, values in found.items()
    ]
    report = Report(
        theme=NAME,
        title=TITLE,
        settings={'seeds': ' '.join(map(str, seeds)), 'labels': str(len(people_labels()))},
        goals=[
            Goal(
                name='word vectors of people − TF-IDF, mean points',
                value=statistics.fmean(found['people'])
                - statistics.fmean(found['TF-IDF of words']),
                at_least=0.0,
            )
        ],
        tables=[
            Table(
                'Sentences of held-out wordings told apart, %',
                ['', *(f'seed {seed}' for seed in seeds), 'mean'],
                rows,
            )
        ],
        notes=[
            f'people: the word vectors of that preset, {words.vocab_size} subword tokens in '
            f'{words.width} dimensions; small_minilm: MiniLM itself, 91 MB.',
            f'About {len(known)} sentences to learn from, {len(other)} to answer for.',
        ],
    )
    return publish(report, chosen, began=began)


def split(table: Sequence[LabelSources], seed: int) -> tuple[Sentences, Sentences]:
    """Return sentences to learn from, and those held out.

    Args:
        table: of labels.
        seed: of what is drawn.
    """
    rng = np.random.default_rng(seed)
    known: list[tuple[str, int]] = []
    other: list[tuple[str, int]] = []
    for place, of in enumerate(table):
        if of.intent:
            drawn = {draw_sentence(rng, of.intent, 'train') for _ in range(DRAWN)}
            held = {draw_sentence(rng, of.intent, 'heldout') for _ in range(DRAWN // 4)}
        else:
            order = [of.sentences[at] for at in rng.permutation(len(of.sentences))]
            count = len(order) // 5
            drawn, held = set(order[count:]), set(order[:count])
        known += [(text, place) for text in sorted(drawn)]
        other += [(text, place) for text in sorted(held)]
    return known, other


def networks() -> Mapping[str, Embed]:
    """Return what embeds sentences, by the preset whose text encoder it is."""
    return {name: _embedding(name) for name in ('small_minilm', 'people')}


def _embedding(preset: str) -> Embed:
    model = replace(load_model_config(preset), modalities=('text',))
    tokenizer = read_tokenizer(model.text)
    if model.text.word_vectors:
        model = replace(model, text=replace(model.text, vocab_size=tokenizer.vocab_size))
    torch.manual_seed(0)
    system = ActivityRecognitionSystem(with_backbones(model)).eval()
    load_backbones(system)
    return lambda texts: embed_sentences(system.text_encoder, tokenizer, texts)


def tf_idf(known: Sentences) -> Embed:
    """Return what weighs words by how many of the known sentences have them."""
    words = TfidfVectorizer().fit([text for text, _ in known])
    return lambda texts: words.transform(texts).toarray()


def accuracy(embed: Embed, known: Sentences, other: Sentences) -> float:
    """Return the share of the held-out sentences whose label is found, %."""
    learnt, asked = (normalize(embed([text for text, _ in part])) for part in (known, other))
    model = LogisticRegression(C=30, max_iter=3000, class_weight='balanced')
    model.fit(learnt, [label for _, label in known])
    return 100 * float((model.predict(asked) == [label for _, label in other]).mean())


if __name__ == '__main__':
    sys.exit(main())
