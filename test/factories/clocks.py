"""A clock for sources that does not depend on how fast the machine is."""

from activity_recognition.media.pacing import Pacer


class NoWaiting(Pacer):
    """Goes on when somebody waits for it, and not by itself: nothing is ever late."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 0)

    def wait_until(self, track_ns: int) -> bool:
        """Be there at once."""
        self.set(max(track_ns, self.now_ns()))
        return True
