"""Running the network on a stream."""

from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.inference.precision import Precision, choose_precision

__all__ = ['Precision', 'StreamingEngine', 'choose_precision']
