"""Running the network on a stream, or on several at once."""

from activity_recognition.inference.engine import StreamingEngine
from activity_recognition.inference.multi_stream import MultiStreamEngine
from activity_recognition.inference.precision import Precision, choose_precision

__all__ = ['MultiStreamEngine', 'Precision', 'StreamingEngine', 'choose_precision']
