"""What a network answered, kept in a file beside it, so that an interrupted command goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from real_data import ClipAnswer, FoldRun, run_fold

from activity_recognition.training.evaluation.predict import Combination, combination_name
from activity_recognition.types import Modality


def answers_of(run: FoldRun) -> list[ClipAnswer]:
    """Return what a network answers, from its file where it has answered already."""
    path = run.out / 'answers.json'
    if path.is_file():
        return read_answers(path)
    answers = run_fold(run)
    write_answers(answers, path)
    return answers


def read_answers(path: Path) -> list[ClipAnswer]:
    """Return the answers in a file that :func:`write_answers` wrote."""
    return [_answer_of(each) for each in json.loads(path.read_text(encoding='utf-8'))]


def write_answers(answers: Sequence[ClipAnswer], path: Path) -> None:
    """Keep answers in a file."""
    path.write_text(json.dumps([_as_json(each) for each in answers]), encoding='utf-8')


def _as_json(answer: ClipAnswer) -> dict[str, Any]:
    assert answer.average is not None
    return {
        'name': answer.name,
        'labels': answer.labels,
        'log_probabilities': {
            combination_name(c): values.tolist() for c, values in answer.probabilities.items()
        },
        'right': {combination_name(c): pair for c, pair in answer.right.items()},
        'average': answer.average.tolist(),
    }


def _answer_of(values: dict[str, Any]) -> ClipAnswer:
    return ClipAnswer(
        name=values['name'],
        labels=tuple(values['labels']),
        probabilities={
            _combination(name): np.array(each) for name, each in values['log_probabilities'].items()
        },
        right={_combination(name): (pair[0], pair[1]) for name, pair in values['right'].items()},
        average=np.array(values['average']),
    )


def _combination(name: str) -> Combination:
    return tuple(Modality(part) for part in name.split('+'))
