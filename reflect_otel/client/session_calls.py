"""The calls about conversations of several runs, and about typed trajectories."""

import json
from collections.abc import Iterator
from typing import Any

from reflect_otel.client import codec, requests
from reflect_otel.client.service_calls import ServiceCalls
from reflect_otel.errors import TransportError
from reflect_otel.model.session import Session
from reflect_otel.model.trajectory import Trajectory
from reflect_otel.model.trajectory_json import trajectory_from_json
from reflect_otel.wire.v1 import reflect_pb2 as wire


class SessionCalls(ServiceCalls):
    """Read sessions and typed trajectories."""

    def get_session(self, session_id: str) -> Session:
        """One conversation over all its closed runs; a history that later runs send again stands once.

        Args:
            session_id: conversation id, as agents sent it.
        """
        whole = wire.Session()
        for part in self._stream("GetSession", requests.build_get_session(session_id)):
            whole.MergeFrom(part.session)
        return codec.read_session(whole)

    def get_trajectory(self, trace_id: str | None = None, *, session_id: str | None = None) -> Trajectory:
        """The typed trajectory of a run, or of a session in one conversation.

        Args:
            trace_id: run id or W3C trace id.
            session_id: conversation id, instead of a run's.

        Raises:
            FailedPrecondition: the run is still open, or could not be read.
        """
        request = requests.build_get_trajectory(trace_id, session_id)
        text = "".join(part.json_part for part in self._stream("GetTrajectory", request))
        try:
            return trajectory_from_json(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise TransportError(
                f"the service sent no trajectory that this release can read ({type(error).__name__}: {error})"
            ) from error

    def _stream(self, method: str, request: Any) -> Iterator[Any]:
        return self._channel.stream(method, request, self._timeout_seconds)
