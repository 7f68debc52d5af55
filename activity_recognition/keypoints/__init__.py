"""Key points of a body: their names, drawing them as a figure, and projecting them from 3-D.

NumPy and OpenCV; no torch, no ROS, no files.
"""

from activity_recognition.keypoints.figure import draw_figure
from activity_recognition.keypoints.joints import joint_array
from activity_recognition.keypoints.pinhole import PinholeCamera
from activity_recognition.keypoints.points import KeyPoints, size_fault
from activity_recognition.keypoints.skeletons import (
    MAX_KEY_POINTS,
    SKELETONS,
    canonical_name,
    joint_names,
    name_fault,
)

__all__ = [
    'MAX_KEY_POINTS',
    'SKELETONS',
    'KeyPoints',
    'PinholeCamera',
    'canonical_name',
    'draw_figure',
    'joint_array',
    'joint_names',
    'name_fault',
    'size_fault',
]
