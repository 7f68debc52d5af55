"""What a reader has to know about the recordings that a checkpoint was measured on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from activity_recognition.streams.schedule import IDLE_RATE_HZ
from activity_recognition.training.evaluation.fusion_findings import better_without
from activity_recognition.training.evaluation.generalisation import scene_bound


def assurance(data: Mapping[str, Any]) -> str:
    """Say that the recordings are new to the checkpoint; empty where they are not, or may not be.

    Args:
        data: section ``data`` of the report.
    """
    if not data['num_training_recordings'] or data['trained_on'] or data['validated_with']:
        return ''
    return (
        'The recordings are new to the checkpoint: none of the '
        f'{data["num_training_recordings"]} that it was trained and validated with, known by '
        'their content, is among them'
    )


def cautions(data: Mapping[str, Any]) -> Iterator[str]:
    """Say in sentences what the numbers of a report do not stand for.

    Args:
        data: section ``data`` of the report.
    """
    total = data['recordings']
    if not data['num_training_recordings']:
        yield (
            'The checkpoint does not say which recordings it was made with: whether these are new '
            'to it is not known'
        )
    if data['trained_on']:
        yield (
            f'{data["trained_on"]} of {total} recordings were trained on: '
            'expect less of new recordings'
        )
    if data['validated_with']:
        yield (
            f'{data["validated_with"]} of {total} recordings chose the best epoch and the '
            'calibration: new recordings may do a little worse'
        )
    if data['excluded_seen']:
        yield (
            f'{data["excluded_seen"]} recordings were excluded because they were trained on; '
            'measure those with --split train'
        )
    if data.get('source') == 'shards':
        yield (
            'What a decision costs was not measured: shards no longer hold what sensors sent; '
            'measure the recordings that they were made of'
        )


def findings(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Say in sentences what a reader has to know first: which modality spoils or does not carry.

    Args:
        metrics: of a report.
    """
    if sentence := better_without(metrics['combinations'], 'on these recordings'):
        yield sentence
    yield from scene_bound(metrics['generalisation'], len(metrics['labels']))


def smoothing_advice(metrics: Mapping[str, Any]) -> str:
    """Say which smoothing suits clips that end before the usual one answers; empty otherwise.

    A new answer comes when the average of the last decisions and the minimum hold have passed. With
    less than three times that, a first answer that was wrong is what a clip is mostly given.

    Args:
        metrics: of a report.
    """
    if not metrics.get('clips'):
        return ''
    length_s = metrics['clips']['seconds']['median']
    sync, smoothing = metrics['settings']['sync'], metrics['settings']['smoothing']
    rate_hz = sync['decision_rate_hz'] or IDLE_RATE_HZ
    settled_s = smoothing['window_size'] / rate_hz + smoothing['min_hold_s']
    window = max(1, min(smoothing['window_size'], int(length_s * rate_hz / 5)))
    hold_s = min(smoothing['min_hold_s'], math.floor(length_s / 7.5 * 20) / 20)
    is_other = (window, hold_s) != (smoothing['window_size'], smoothing['min_hold_s'])
    if length_s > 3 * settled_s - 1e-6 or not is_other:
        return ''
    return (
        f'Half of the clips last {length_s:.1f} s or less, and smoothing takes up to '
        f'{settled_s:.1f} s to change an answer: for activities that short, try the parameters '
        f'smoothing.window_size {window} and smoothing.min_hold_s {hold_s:g} of the node'
    )
