"""A real gRPC server that speaks ``reflect.v1`` with answers scripted by the test, and takes OTLP."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from reflect_otel.wire.v1 import reflect_pb2
from tests.otlp_sink import OtlpInbox

_SERVICE = reflect_pb2.DESCRIPTOR.services_by_name["ReflectService"]


class WireServer:
    """``answers[method]`` is a response, or a function of (request, context); ``calls`` is what arrived.

    ``telemetry`` is what arrived over OTLP.
    """

    def __init__(self, port: int = 0):
        self.answers: dict = {}
        self.calls: list[tuple[str, object, dict]] = []
        self.telemetry = OtlpInbox()
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers(self.telemetry.build_handlers())
        handlers = {name: self._handler(name, method) for name, method in _SERVICE.methods_by_name.items()}
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers)])
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self, method: str) -> list:
        return [request for name, request, _ in self.calls if name == method]

    def stop(self) -> None:
        self._server.stop(0).wait()

    def _handler(self, name, method):
        def answer(request, context):
            self.calls.append((name, request, dict(context.invocation_metadata())))
            scripted = self.answers[name]
            return scripted(request, context) if callable(scripted) else scripted

        kind = grpc.unary_stream_rpc_method_handler if name == "WaitTrace" else grpc.unary_unary_rpc_method_handler
        return kind(
            answer,
            request_deserializer=getattr(reflect_pb2, method.input_type.name).FromString,
            response_serializer=getattr(reflect_pb2, method.output_type.name).SerializeToString,
        )


def refuse(code: grpc.StatusCode, message: str = "", *details):
    """An answer that ends the call with a status and ``google.rpc`` details."""

    def answer(request, context):
        status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message)
        for detail in details:
            packed = Any()
            packed.Pack(detail)
            status.details.append(packed)
        context.abort_with_status(rpc_status.to_status(status))

    return answer


def reason(text: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=text, domain="reflect-otel")


def bad_field(path: str) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation(field=path, description="wrong")
    return error_details_pb2.BadRequest(field_violations=[violation])
