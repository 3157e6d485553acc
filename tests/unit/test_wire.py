"""The wire contract: what is committed as code is what the proto says, and the proto explains itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from reflect_otel.wire.v1 import reflect_pb2

PROTO = Path(__file__).parents[2] / "proto"
BUF = shutil.which("buf") or str(Path(sys.executable).parent / "buf")


@pytest.fixture(scope="module")
def built() -> FileDescriptorProto:
    """What the compiler makes of proto/ now, with comments."""
    done = subprocess.run([BUF, "build", "-o", "-#format=binpb"], cwd=PROTO, capture_output=True, check=True)
    files = FileDescriptorSet.FromString(done.stdout).file
    return next(file for file in files if file.package == "reflect.v1")


def clear_json_names(message: DescriptorProto) -> None:
    """One compiler writes the default names out, the other does not."""
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        clear_json_names(nested)


def test_the_committed_code_is_that_of_the_proto(built):
    committed = FileDescriptorProto.FromString(reflect_pb2.DESCRIPTOR.serialized_pb)
    expected = FileDescriptorProto.FromString(built.SerializeToString())
    expected.ClearField("source_code_info")
    expected.DiscardUnknownFields()  # buf's own notes
    expected.name = committed.name
    for message in expected.message_type:
        clear_json_names(message)
    assert committed == expected, "run 'make proto' and commit the result"


def test_the_proto_is_lint_clean():
    done = subprocess.run([BUF, "lint"], cwd=PROTO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_element_of_the_proto_is_explained(built):
    # paths are field numbers of FileDescriptorProto: 4 message, 5 enum, 6 service, and 2 their members
    explained = {tuple(at.path) for at in built.source_code_info.location if at.leading_comments.strip()}
    wanted = {}
    for kind, elements, members in (
        (4, built.message_type, "field"),
        (5, built.enum_type, "value"),
        (6, built.service, "method"),
    ):
        for i, element in enumerate(elements):
            wanted[(kind, i)] = element.name
            for j, member in enumerate(getattr(element, members)):
                wanted[(kind, i, 2, j)] = f"{element.name}.{member.name}"
    assert [name for path, name in wanted.items() if path not in explained] == []
