"""Made-up segments of recordings to train on."""

from __future__ import annotations

import numpy as np

from activity_recognition.training.data.segments import LabelledSegment
from activity_recognition.training.data.targets import LabelTrack
from activity_recognition.types import LabelSpan, to_ns
from factories.networks import TINY, tokenizer_for

START_NS = 1_700_000_000_000_000_000
LABELS = TINY.labels


def make_segment(
    *,
    duration_s: float = 12.0,
    frame_rate_hz: float = 10.0,
    seed: int = 0,
    texts: tuple[str, ...] = ('hello robot', 'what a day', 'help me please'),
) -> LabelledSegment:
    """Return a segment whose frames are as bright as the label they show is high."""
    rng = np.random.default_rng(seed)
    spans = [
        LabelSpan(start_s=2.0 * i, end_s=2.0 * (i + 1), label=LABELS[int(rng.integers(4))])
        for i in range(int(duration_s // 2))
    ]
    track = LabelTrack.from_spans(spans, LABELS, START_NS)
    stamps = START_NS + np.arange(0, to_ns(duration_s), to_ns(1 / frame_rate_hz))
    side = TINY.video.input_size_px
    frames = rng.integers(0, 20, (len(stamps), side, side, 3)).astype(np.uint8)
    classes = track.at(stamps)
    frames += (60 * np.maximum(classes, 0)).astype(np.uint8)[:, None, None, None]
    blocks = int(duration_s * TINY.audio.token_rate_hz)
    ends = START_NS + to_ns(1 / TINY.audio.token_rate_hz) * np.arange(1, blocks + 1)
    spoken = START_NS + to_ns(duration_s) * np.arange(1, len(texts) + 1) // (len(texts) + 1)
    columns, mels = TINY.audio.columns_per_token, TINY.audio.num_mels
    return LabelledSegment(
        arrays={
            'frames': frames,
            'frame_stamps': stamps,
            'frame_arrivals': stamps + to_ns(0.02),
            'spectrograms': rng.normal(size=(blocks, columns, mels)).astype(np.float32),
            'spectrogram_stamps': ends,
            'spectrogram_arrivals': ends + to_ns(0.01),
            'spectrogram_mask': rng.random(blocks) > 0.02,
            'transcript_stamps': spoken,
            'transcript_arrivals': spoken + to_ns(0.5),
            'decision_stamps': stamps,
            'decision_arrivals': stamps + to_ns(0.02),
        },
        texts=texts,
        labels=track,
    ).tokenised(tokenizer_for(TINY))
