"""Networks that misbehave between a client and a server."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Self


class Gateway:
    """A TCP relay to a server on this machine.

    ``freeze`` leaves open connections open and passes nothing on in them any more. While ``is_mute``, what the server
    answers is swallowed.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._frozen = threading.Event()
        self._sockets: list[socket.socket] = [self._listener]
        self.connections = 0
        self.is_mute = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def freeze(self) -> None:
        """What is open stays open and silent; new connections are relayed."""
        self._frozen.set()
        self._frozen = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self.connections += 1
            self._sockets += (client, server)
            for direction in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._relay, args=(*direction, self._frozen), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, is_answer: bool, frozen: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not frozen.is_set() and not (is_answer and self.is_mute):
                    sink.sendall(data)


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """The address of a socket that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def unreachable() -> Iterator[str]:
    """An address at which packets are dropped: the kernel answers no SYN while a backlog is full."""
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = open_sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
