"""What a sender of telemetry over gRPC is told when the service itself is at fault."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from collector_plugin.grpc_receiver import TRACE_SERVICE, OtlpHandler
from reflect_otel.service.auth import Authenticator


class Broken:
    """A receiver that fails in a way nobody has foreseen."""

    def export_traces(self, body, caller):
        raise RuntimeError("a secret of the service")

    export_logs = export_metrics = export_traces


def test_an_unforeseen_error_is_logged_under_an_id_and_its_text_stays_here(caplog):
    threads = ThreadPoolExecutor(1)
    server = grpc.server(ThreadPoolExecutor(1), handlers=[OtlpHandler(Broken(), Authenticator({}), threads)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/{TRACE_SERVICE}/Export")(b"", timeout=20)
    finally:
        server.stop(None).wait()
        threads.shutdown()
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in caught.value.details()
    assert any("unexpected error" in record.message and record.exc_info for record in caplog.records)
