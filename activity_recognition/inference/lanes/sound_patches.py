"""Embeddings of a frozen network that knows sounds, on the grid of a stream's blocks.

A patch begins every so many blocks from the grid's anchor. A block has the embedding of the newest
patch that was whole when the block ended, so it follows from the samples since the anchor alone,
however they were cut up.

Shapes: N samples, A blocks, E numbers of an embedding and one behind them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from activity_recognition.config import AudioConfig
from activity_recognition.encoder_config import SOUND_FEATURES, SOUND_PATCH_SAMPLES
from activity_recognition.errors import CheckpointError, quoted
from activity_recognition.front_ends.yamnet import VERSION, Yamnet
from activity_recognition.weights import identity

EMBEDDING_SHAPE = (SOUND_FEATURES + 1,)
"""Behind an embedding stands a 1; all are 0 where there is none yet."""


def load_backbone(audio: AudioConfig) -> Yamnet:
    """Return the backbone of a network.

    Raises:
        CheckpointError: the network was trained with other weights than the registered ones.
        MissingExtraError: what runs it is not installed.
        WeightsError: its weights are not on this machine.
    """
    known = tuple(identity(name) for name in audio.backbone_weights)
    if audio.backbone_sha256 and audio.backbone_sha256 != known:
        raise CheckpointError(
            f'audio.backbone: expected {audio.backbone} of SHA-256 {quoted(known)}, which this '
            f'version knows, the checkpoint was trained with {quoted(audio.backbone_sha256)}; '
            'train it again, or use the version that it was trained with'
        )
    return Yamnet()


def backbone_identity(audio: AudioConfig) -> list[str]:
    """Return what tells apart embeddings that were made differently."""
    known = audio.backbone_sha256 or tuple(identity(name) for name in audio.backbone_weights)
    return [*known, str(VERSION)]


def embed_patches(
    backbone: Yamnet, samples: NDArray[np.float32], count: int, hop: int
) -> NDArray[np.float16]:
    """Return the embeddings of the first patches of some samples, (count, E).

    Args:
        backbone: makes them.
        samples: (N,), at least as many as the patches need.
        count: how many patches.
        hop: samples between the starts of two.
    """
    found = np.ones((count, *EMBEDDING_SHAPE), np.float16)
    for index in range(count):
        start = index * hop
        patch = samples[start : start + SOUND_PATCH_SAMPLES]
        found[index, :SOUND_FEATURES] = backbone.hear(patch).embedding
    return found


class HeldEmbeddings:
    """The embedding that each block of one stream has."""

    def __init__(self, backbone: Yamnet, audio: AudioConfig) -> None:
        """Begin a stream.

        Args:
            backbone: makes embeddings.
            audio: where blocks and patches lie.
        """
        self._backbone = backbone
        self._block_hop = audio.block_hop_samples
        self._patch_hop = audio.patch_hop_samples
        self._first = audio.patch_blocks - 1
        self._hop_blocks = self._patch_hop // self._block_hop
        self.clear()

    def clear(self) -> None:
        """Anchor the grid at the next sample."""
        self._samples = np.zeros(0, np.float32)
        self._blocks = 0
        self._patches = 0
        self._newest: NDArray[np.float16] = np.zeros(EMBEDDING_SHAPE, np.float16)

    def take(self, samples: NDArray[np.float32]) -> None:
        """Take the samples from the beginning of the next block on.

        Args:
            samples: (N,), of which the first may have been taken before.
        """
        # Of the sample behind the last one taken, counted from the next block.
        known = self._patches * self._patch_hop + len(self._samples)
        known -= self._blocks * self._block_hop
        self._samples = np.concatenate((self._samples, samples[known:]))

    def advance(self, count: int) -> NDArray[np.float16]:
        """Return the embeddings of the next blocks (A, E), whose samples were taken.

        Args:
            count: A.
        """
        found = np.empty((count, *EMBEDDING_SHAPE), np.float16)
        for row in range(count):
            if self._blocks == self._first + self._patches * self._hop_blocks:
                self._newest = embed_patches(self._backbone, self._samples, 1, 0)[0]
                self._samples = self._samples[self._patch_hop :].copy()
                self._patches += 1
            found[row] = self._newest
            self._blocks += 1
        return found
