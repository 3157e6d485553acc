"""Waits for SIGTERM or SIGINT, whichever thread the system hands it to."""

import signal
import socket


class StopSignal:
    """Hears SIGTERM and SIGINT from when it is made. To be made on the main thread.

    The system may give a signal to any thread. Python's handlers run on the main thread only, which a lock or an
    ``Event`` does not wake for a signal that another thread got; what Python writes to its wakeup descriptor does.
    """

    def __init__(self) -> None:
        self._heard, self._told = socket.socketpair()
        self._told.setblocking(False)
        signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def wait(self) -> None:
        """Return once there was a signal; later ones change nothing."""
        self._heard.recv(1)
        signal.set_wakeup_fd(-1)
        self._heard.close()
        self._told.close()
