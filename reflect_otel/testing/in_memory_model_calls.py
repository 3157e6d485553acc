"""The ledger of model calls in dictionaries."""

import threading

from reflect_otel.model.model_call import ModelCall, Spending


class InMemoryModelCalls:
    """Part of ``InMemoryStore``: calls by id. Safe to call from any thread."""

    def __init__(self) -> None:
        self._calls_lock = threading.Lock()
        self._calls: dict[str, tuple[str, ModelCall]] = {}

    def write_model_call(self, project_id: str, call: ModelCall) -> None:
        """See ``ModelCallLedger``."""
        with self._calls_lock:
            self._calls[call.call_id] = (project_id, call)

    def read_spending(self, project_id: str, since_ns: int) -> Spending:
        """See ``ModelCallLedger``."""
        with self._calls_lock:
            calls = [call for project, call in self._calls.values() if project == project_id]
        counted = [call for call in calls if call.started_ns >= since_ns]
        return Spending(
            calls=len(counted),
            tokens=sum(call.input_tokens + call.output_tokens for call in counted),
            cost_usd=sum(call.cost_usd for call in counted),
        )

    def find_calls(self, project_id: str, run_id: str, purpose: str) -> list[ModelCall]:
        """The calls made for a run, oldest first; not part of the port."""
        with self._calls_lock:
            calls = [call for project, call in self._calls.values() if project == project_id]
        return [call for call in calls if call.run_id == run_id and call.purpose.value == purpose]
