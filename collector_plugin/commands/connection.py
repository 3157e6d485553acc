"""Which service a command talks to, and as whom."""

import logging
from dataclasses import dataclass
from typing import Final

from reflect_otel.client.client import ReflectClient

_AUGMENT_TIMEOUT_SECONDS: Final = 10.0
"""A person waits longer than an agent may."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What the common options say.

    Attributes:
        endpoint: ``http://HOST:PORT`` or ``https://HOST:PORT`` of the service's gRPC port.
        api_key: ``None`` where the service asks for none.
        project_id: used where no key decides the project.
    """

    endpoint: str
    api_key: str | None
    project_id: str

    def open(self) -> ReflectClient:
        """A client for these options; close it, or use it in a ``with``.

        Raises:
            InvalidArgument: when the address, key or project cannot be used.
        """
        # Failures reach the user as one line from the command, not as log records too.
        logging.getLogger("reflect_otel").addHandler(logging.NullHandler())
        return ReflectClient(self.endpoint, self.api_key, self.project_id, augment_timeout=_AUGMENT_TIMEOUT_SECONDS)
