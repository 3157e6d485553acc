"""What every group of calls shares: the way to the service, the time it may take, and pages."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from reflect_otel.capture.delivery_ledger import DeliveryStatus
from reflect_otel.client.submission import Submissions
from reflect_otel.ports import Transport

if TYPE_CHECKING:
    from reflect_otel.capture.outbox import Outbox

DEFAULT_TIMEOUT_SECONDS: Final = 60.0
DEFAULT_AUGMENT_TIMEOUT_SECONDS: Final = 0.3
PAGE_SIZE: Final = 1000


class ServiceCalls:
    """One caller's calls of ``reflect.v1``.

    Args:
        channel: the way to the service.
        timeout_seconds: for each call.
        augment_timeout_seconds: how long a call may delay an agent.
        outbox: takes to the disk what the channel does not take; ``None`` keeps nothing on disk.
    """

    def __init__(
        self,
        channel: Transport,
        timeout_seconds: float,
        augment_timeout_seconds: float,
        outbox: "Outbox | None" = None,
    ) -> None:
        self._channel = channel
        self._submissions = Submissions(channel, augment_timeout_seconds, outbox)
        self._timeout_seconds = timeout_seconds
        self._augment_timeout_seconds = augment_timeout_seconds

    @property
    def status(self) -> DeliveryStatus:
        """What became of the runs that this client recorded: delivered, on disk, dropped."""
        return self._submissions.status

    def _call(self, method: str, request: Any) -> Any:
        return self._channel.call(method, request, self._timeout_seconds)

    def _iter_pages(self, method: str, request: Any) -> Iterator[Any]:
        """The responses of a list call, page after page. Sets the page token in ``request``."""
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
