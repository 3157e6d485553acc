"""The sessions that read a database: borrowed, given back, and gathered in before it closes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from reflect_otel.errors import StoreError
from reflect_otel.store.session import Session

_INTERRUPT_SECONDS: Final = 5.0
"""How long an interrupted statement may take to end."""


class Readers:
    """Sessions on one open database, as many as there are threads reading. Safe to call from any thread.

    DuckDB refuses to close a connection while a statement runs on it or on a cursor of it.

    Args:
        open_session: makes a session of its own; raises StoreError.
    """

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session
        self._changed = threading.Condition()
        self._idle: list[Session] = []
        self._lent: set[Session] = set()
        self._is_closed = False

    @contextmanager
    def borrow(self) -> Iterator[Session]:
        """A session that nobody else has. Raises StoreError, also once these readers are closed."""
        session = self._take()
        is_sound = False
        try:
            yield session
            is_sound = True
        finally:
            self._give_back(session, is_sound=is_sound)

    def close(self, patience_seconds: float) -> None:
        """Lend nothing any more, let what is lent come back for so long, then interrupt it and close all.

        A session whose borrower merely does nothing with it at the moment is closed under it: what it asks next
        raises StoreError.

        Raises:
            StoreError: an interrupted statement does not end.
        """
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._lent, patience_seconds)
            left = {*self._idle, *self._lent}
        deadline = time.monotonic() + _INTERRUPT_SECONDS
        while left := {session for session in left if not session.close_when_free()}:
            if time.monotonic() > deadline:
                raise StoreError("statements that read the database do not end; end this process to release it")
            for session in left:
                session.interrupt()
            with self._changed:
                self._changed.wait(0.01)

    def _take(self) -> Session:
        with self._changed:
            if self._is_closed:
                raise StoreError("the database is being closed; open it again")
            session = self._idle.pop() if self._idle else self._open_session()
            self._lent.add(session)
            return session

    def _give_back(self, session: Session, *, is_sound: bool) -> None:
        with self._changed:
            is_kept = is_sound and not self._is_closed
            if is_kept:
                self._idle.append(session)
            self._lent.discard(session)
            self._changed.notify_all()
        if not is_kept:
            session.close_when_free()
