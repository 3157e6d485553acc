"""The error table: complete, and every status carries what a client needs to react."""

import grpc
import pytest
from google.rpc import error_details_pb2

from reflect_otel.errors import (
    InvalidArgument,
    NotFound,
    RateLimited,
    ReflectError,
    StoreError,
)
from reflect_otel.service.status import ERROR_DOMAIN, TABLE, build_status


def all_errors(kind: type[ReflectError] = ReflectError) -> set[type[ReflectError]]:
    return {kind}.union(
        *(all_errors(child) for child in kind.__subclasses__() if child.__module__ == kind.__module__)
    )


def details(status) -> dict[str, object]:
    found = {}
    for packed in status.details:
        message = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])()
        packed.Unpack(message)
        found[type(message).__name__] = message
    return found


def test_every_error_class_has_its_row():
    assert set(TABLE) == all_errors()


@pytest.mark.parametrize("kind", sorted(TABLE, key=lambda kind: kind.__name__))
def test_every_error_tells_its_reason_and_the_remedy(kind):
    status = build_status(kind("do this instead"))
    info = details(status)["ErrorInfo"]
    assert (info.reason, info.domain) == (kind.reason, ERROR_DOMAIN)
    assert status.message == "do this instead"
    assert status.code != grpc.StatusCode.OK.value[0]


def test_an_error_class_of_someone_else_gets_the_nearest_row():
    class Fuller(StoreError):
        """Made by an adapter outside of this package."""

        reason = "FULLER"

    assert build_status(Fuller("x")).code == grpc.StatusCode.UNAVAILABLE.value[0]


def test_a_wrong_argument_names_its_field():
    violation = details(build_status(InvalidArgument("too long", field="task")))["BadRequest"].field_violations[0]
    assert (violation.field, violation.description) == ("task", "too long")


def test_a_missing_object_is_named():
    resource = details(build_status(NotFound("no", resource_type="run", resource_name="r1")))["ResourceInfo"]
    assert (resource.resource_type, resource.resource_name) == ("run", "r1")


def test_a_retry_pause_is_recommended_where_a_retry_helps():
    assert details(build_status(RateLimited("slow", retry_after_seconds=2.5)))["RetryInfo"].retry_delay.nanos == 5e8
    assert "RetryInfo" in details(build_status(StoreError("disk full")))
    assert "RetryInfo" not in details(build_status(InvalidArgument("no", field="task")))


def test_a_status_fits_into_http2_headers_and_is_valid_text():
    status = build_status(InvalidArgument("\ud800" + "ä" * 10_000, field="x" * 10_000))
    assert len(status.SerializeToString()) < 8 * 1024
