"""``ReflectClient``: the Reflect SDK's calls, by their names and results, over gRPC or within the process."""

from os import PathLike
from types import TracebackType
from typing import Self

from reflect_otel.client.governance_calls import GovernanceCalls
from reflect_otel.client.memory_calls import MemoryCalls
from reflect_otel.client.pattern_calls import PatternCalls
from reflect_otel.client.project_calls import ProjectCalls
from reflect_otel.client.service_calls import DEFAULT_AUGMENT_TIMEOUT_SECONDS, DEFAULT_TIMEOUT_SECONDS
from reflect_otel.client.session_calls import SessionCalls
from reflect_otel.client.transport import open_embedded, open_transport
from reflect_otel.ports import Settings, Transport


class ReflectClient(MemoryCalls, SessionCalls, PatternCalls, ProjectCalls, GovernanceCalls):
    """Memories before a run, traces and reviews after it.

    Clients of one address share one connection a process, also across threads and forks. Nothing is sent before
    the first call. Unless a method says otherwise it raises the typed errors of ``reflect_otel.errors``:
    InvalidArgument, NotFound, AuthError, RateLimited, Unavailable, DeadlineExceeded.

    Args:
        base_url: ``http://HOST:PORT``, ``https://HOST:PORT``, or ``embedded://FOLDER`` for no service at all (see
            ``embedded``); else REFLECT_ENDPOINT, else http://localhost:4317.
        api_key: else REFLECT_API_KEY; a service bound to this machine needs none.
        project_id: else REFLECT_PROJECT_ID, else ``default``; a key's own project wins.
        timeout: seconds for each call.
        augment_timeout: seconds that ``augment_with_memories``, or a run in all, may delay the agent.
        transport: a way of your own, instead of ``base_url``, ``api_key`` and ``project_id``; closed with the client.
        spool_bytes: most bytes on disk while the service is away, else REFLECT_SPOOL_BYTES, else 256 MiB; 0: none.
        spool_dir: where, else REFLECT_SPOOL_DIR, else under the user's state folder.

    Raises:
        InvalidArgument: when the address, key or project cannot be used.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        project_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        *,
        augment_timeout: float = DEFAULT_AUGMENT_TIMEOUT_SECONDS,
        transport: Transport | None = None,
        spool_bytes: int | None = None,
        spool_dir: str | PathLike[str] | None = None,
    ) -> None:
        outbox = None
        if transport is None:
            transport, outbox = open_transport(
                base_url, api_key, project_id, spool_bytes=spool_bytes, spool_dir=spool_dir
            )
        super().__init__(transport, timeout, augment_timeout, outbox)

    @classmethod
    def embedded(
        cls,
        path: str | PathLike[str],
        project_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        *,
        augment_timeout: float = DEFAULT_AUGMENT_TIMEOUT_SECONDS,
        settings: Settings | None = None,
        embedder: str | None = None,
        reflector: str | None = None,
    ) -> Self:
        """A client without a service: store, learning loop and retrieval run in this process.

        Same calls, results and errors. One process owns the folder; clients of one folder in one process share what
        runs over it, and the last to close finishes what is under way. See docs/embedded.md.

        Args:
            path: the data folder; made when missing. A service can take it over, and the other way round.
            project_id: else REFLECT_PROJECT_ID, else ``default``.
            timeout: seconds for each call.
            augment_timeout: seconds that ``augment_with_memories``, or a run in all, may delay the agent.
            settings: delays and limits; else those of a service, with a shorter settle delay.
            embedder: name of an installed embedder.
            reflector: name of an installed reflector.

        Raises:
            InvalidArgument: when the project cannot be used.
            PluginError: the ``server`` extra is not installed, or no such embedder or reflector.
            ConfigError: the folder cannot be used, or is open in this process with other settings.
            StoreLocked: another process has the folder; names its PID.
            StoreError: its content cannot be used.
        """
        transport = open_embedded(path, project_id, settings=settings, embedder=embedder, reflector=reflector)
        return cls(timeout=timeout, augment_timeout=augment_timeout, transport=transport)

    def close(self) -> None:
        """Send what recorded runs left behind, for two seconds at most, and give the connection up.

        What is not sent by then stays on disk for the next process. Harmless when repeated.
        """
        self._submissions.close()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
