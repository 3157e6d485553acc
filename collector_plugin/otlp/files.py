"""OTLP/JSON files: one export request a line, one request, or an array of requests; gzip by its magic bytes."""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, cast

from collector_plugin.otlp.json_format import Telemetry, read_json
from reflect_otel.errors import InvalidArgument

MAX_DOCUMENT_BYTES: Final = 512 * 1024 * 1024
"""Largest file that is read as one JSON document."""

_GZIP_MAGIC: Final = b"\x1f\x8b"


def iter_file(path: Path) -> Iterator[Telemetry | InvalidArgument]:
    """Read a file request by request; what cannot be read comes as the error that names file and line.

    Raises:
        OSError: when the file cannot be opened.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        source = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
        try:
            yield from _iter_requests(source, path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield InvalidArgument(f"{path}: damaged gzip data, the rest is lost: {error}")


def _iter_requests(source: BinaryIO, path: Path) -> Iterator[Telemetry | InvalidArgument]:
    first = source.readline()
    if _is_request(first):
        yield from _iter_lines(chain([first], source), path)
        return
    document = first + source.read(MAX_DOCUMENT_BYTES)
    try:
        yield read_json(document)
    except InvalidArgument as error:
        if b"\n" in document.strip():
            yield from _iter_lines(io.BytesIO(document), path)
        else:
            yield InvalidArgument(f"{path}: {error}")


def _is_request(line: bytes) -> bool:
    try:
        read_json(line)
    except InvalidArgument:
        return False
    return True


def _iter_lines(lines: Iterable[bytes], path: Path) -> Iterator[Telemetry | InvalidArgument]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield read_json(line)
            except InvalidArgument as error:
                yield InvalidArgument(f"{path}, line {number}: {error}")
