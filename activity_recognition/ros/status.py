"""One diagnostic status in the making."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue


class Status:
    """Collects sentences and values: the worst level counts, all sentences are kept."""

    def __init__(self, name: str, hardware_id: str) -> None:
        """Begin a status that is fine.

        Args:
            name: of the status, after the node's.
            hardware_id: of what it is about.
        """
        self._status = DiagnosticStatus(name=name, hardware_id=hardware_id)
        self._sentences: list[str] = []

    def warn(self, sentence: str) -> None:
        """Say what impairs the answers."""
        self._raise(DiagnosticStatus.WARN, sentence)

    def error(self, sentence: str) -> None:
        """Say what prevents them."""
        self._raise(DiagnosticStatus.ERROR, sentence)

    def value(self, key: str, value: object) -> None:
        """Add a value.

        Args:
            key: its name.
            value: shown as text.
        """
        self._status.values.append(KeyValue(key=key, value=str(value)))

    def finish(self, fine: str) -> DiagnosticStatus:
        """Return the status; ``fine`` is its message where there is nothing else to say."""
        self._status.message = '; '.join(self._sentences) or fine
        return self._status

    def _raise(self, level: bytes, sentence: str) -> None:
        self._status.level = max(self._status.level, level)
        self._sentences.append(sentence)
