"""Key points of a body: their names, drawing them as a figure, and projecting them from 3-D.

NumPy and OpenCV; no torch, no ROS, no files.
"""

from activity_recognition.keypoints.figure import draw_figure
from activity_recognition.keypoints.pinhole import PinholeCamera
from activity_recognition.keypoints.points import MAX_KEY_POINTS, KeyPoints, name_fault, size_fault
from activity_recognition.keypoints.skeletons import SKELETONS, canonical_name

__all__ = [
    'MAX_KEY_POINTS',
    'SKELETONS',
    'KeyPoints',
    'PinholeCamera',
    'canonical_name',
    'draw_figure',
    'name_fault',
    'size_fault',
]
