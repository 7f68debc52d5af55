"""One image's way from its topic to the message: which files of the package it passes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

pytestmark = [pytest.mark.ros, pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")]

ARCHITECTURE = Path(__file__).resolve().parents[3] / 'docs' / 'architecture.md'
VALUES = {'types.py', 'modalities.py', 'modality_spec.py'}
"""What is passed along and the table of modalities, which every file knows."""
STAND_IN = 'ros/recognizing/message_filters_stand_in.py'
"""Instead of the package message_filters, where that is not installed."""


def listed() -> set[str]:
    """The files that the documentation lists, without the network's own."""
    text = ARCHITECTURE.read_text(encoding='utf-8')
    section = text[text.index('## One image') : text.index('## Layers')]
    rows = re.findall(r'^\| [^|]+ \| ([^|]*\.py[^|]*) \|$', section, re.MULTILINE)
    return {name for row in rows for name in re.findall(r'`([\w/]+\.py)`', row)}


def package_file(path: str) -> str | None:
    """The path of a file in the package; None of any other."""
    root = Path(sys.modules['activity_recognition'].__file__).resolve().parent
    file = Path(path).resolve() if not path.startswith('<') else root.parent
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else None


def test_an_image_passes_the_files_that_are_documented(world):
    from rclpy.serialization import serialize_message

    activities = world.activities()
    node = world.recognize(sync__decision_rate_hz=0.0, engine__backend='torch')
    camera = world.camera()
    world.every(0.05, camera, world.image)
    world.spin_until(lambda: sum(bool(message.scores) for message in activities) > 8)

    def pass_one_image() -> set[str]:
        active = node._session.active
        (stream,) = active.streams.values()
        assert active.worker.stop(60.0)
        active.worker._stopping = False
        stream.synchronizer.take(newest_only=True)
        subscriber = next(i._subscriber for i in stream.inputs.each if i.role.value == 'image')
        cdr = serialize_message(world.image())
        before, passed = active.worker.report().decisions, set()

        def note(frame, event, _):
            if event == 'call':
                passed.add(package_file(frame.f_code.co_filename))

        sys.setprofile(note)
        try:
            subscriber._receive(cdr, {'publication_sequence_number': 1 << 63})
            active.worker._step()
        finally:
            sys.setprofile(None)
        assert active.worker.report().decisions == before + 1
        return {name for name in passed if name}

    passed = world.there(pass_one_image)
    ours = {name for name in passed - VALUES - {STAND_IN} if not name.startswith('models/')}
    assert ours == listed()
    assert len(ours) <= 20
