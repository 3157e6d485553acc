"""``ReflectClient``: the Reflect SDK's calls, by their names, parameters and results, over gRPC."""

from types import TracebackType
from typing import Self

from reflect_otel.capture.connection import (
    DEFAULT_ENDPOINT,
    ENV_API_KEY,
    ENV_ENDPOINT,
    ENV_PROJECT_ID,
    build_headers,
    parse_address,
    read_setting,
)
from reflect_otel.client.channel import ServiceChannel
from reflect_otel.client.memory_calls import MemoryCalls
from reflect_otel.client.pattern_calls import PatternCalls
from reflect_otel.client.service_calls import DEFAULT_AUGMENT_TIMEOUT_SECONDS, DEFAULT_TIMEOUT_SECONDS
from reflect_otel.model.memory import DEFAULT_PROJECT


class ReflectClient(MemoryCalls, PatternCalls):
    """Memories before a run, traces and reviews after it.

    Clients of one address share one connection a process, also across threads and forks. Nothing is sent before
    the first call. Unless a method says otherwise it raises the typed errors of ``reflect_otel.errors``:
    InvalidArgument, NotFound, AuthError, RateLimited, Unavailable, DeadlineExceeded.

    Args:
        base_url: ``http://HOST:PORT`` or ``https://HOST:PORT``; else REFLECT_ENDPOINT, else http://localhost:4317.
        api_key: else REFLECT_API_KEY; a service bound to this machine needs none.
        project_id: else REFLECT_PROJECT_ID, else ``default``; a key's own project wins.
        timeout: seconds for each call.
        augment_timeout: seconds that ``augment_with_memories`` may delay the agent.

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
    ) -> None:
        address = parse_address(read_setting(base_url, ENV_ENDPOINT) or DEFAULT_ENDPOINT)
        headers = build_headers(
            read_setting(api_key, ENV_API_KEY), read_setting(project_id, ENV_PROJECT_ID) or DEFAULT_PROJECT
        )
        super().__init__(ServiceChannel(address, headers), timeout, augment_timeout)

    def close(self) -> None:
        """Send what runs under ``trace`` left behind, for two seconds at most, and give the connection up.

        Harmless when repeated.
        """
        self._submissions.close()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
