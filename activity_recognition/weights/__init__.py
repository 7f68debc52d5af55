"""Files of pretrained networks by name: what there is, where it lies, that it is the right one.

No torch, no ROS, and nothing is downloaded here: `activity-recognition weights fetch` does that.
"""

from activity_recognition.weights.entries import WeightsEntry, WeightsFile, identity, register
from activity_recognition.weights.finding import find_weights

__all__ = ['WeightsEntry', 'WeightsFile', 'find_weights', 'identity', 'register']
