"""What a reader has to know about the recordings that a checkpoint was measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


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
