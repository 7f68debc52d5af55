"""A run's metrics with everything in them that a page has to show."""

import pytest

from activity_recognition.reporting.metrics import RunMetrics
from activity_recognition.reporting.scores import (
    UNKNOWN,
    Truth,
    account_frames,
    distribution,
    score,
)
from activity_recognition.types import LabelSpan

SPANS = (
    LabelSpan(start_s=0.0, end_s=6.0, label='walking'),
    LabelSpan(start_s=6.0, end_s=10.0, label='none'),
    LabelSpan(start_s=10.0, end_s=20.0, label='knocking'),
)


@pytest.fixture
def make_metrics():
    def make(*, delay_s: float = 0.4, count: int = 200, title: str = 'A run') -> RunMetrics:
        truth = Truth(SPANS)
        times = [0.1 * (place + 0.5) for place in range(count)]
        named = [truth.at(t - delay_s) or UNKNOWN for t in times]
        evidence = {
            modality: [
                {
                    't_s': t,
                    'present': modality != 'text' or t > 5,
                    'age_s': 0.1,
                    'label': name,
                    'confidence': 0.5,
                    'weight': (-1) ** place * 0.4 if place % 5 == 0 else None,
                }
                for place, (t, name) in enumerate(zip(times, named, strict=True))
            ]
            for modality in ('video', 'audio', 'text')
        }
        return {
            'title': title,
            'summary': 'Twenty seconds, <seed> 7 & more.',
            'duration_s': 20.0,
            'truth': [(span.start_s, span.end_s, span.label) for span in SPANS],
            'answers': [
                {'t_s': t, 'answer': name, 'confidence': 0.8}
                for t, name in zip(times, named, strict=True)
            ],
            'evidence': evidence,
            'scores': score(truth, zip(times, named, strict=True)),
            'latency': distribution([0.01 + 0.0001 * place for place in range(count)]),
            'processing': distribution([0.005] * count),
            'frames': account_frames(
                published=300, received=298, used=291, dropped={'overload': 7}
            ),
            'checks': [
                {'name': 'frames lost', 'found': '2', 'wanted': 'at most 3', 'passed': True},
                {'name': 'accuracy', 'found': '10 %', 'wanted': 'at least 85 %', 'passed': False},
            ],
            'conditions': {'checkpoint': 'c0ffee', 'python': '3.11'},
        }

    return make
