"""Where the service is, and what every call to it carries: arguments, then ``REFLECT_*``, then defaults."""

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from reflect_otel.errors import InvalidArgument

ENV_ENDPOINT: Final = "REFLECT_ENDPOINT"
ENV_API_KEY: Final = "REFLECT_API_KEY"
ENV_PROJECT_ID: Final = "REFLECT_PROJECT_ID"
ENV_ENABLED: Final = "REFLECT_ENABLED"

DEFAULT_ENDPOINT: Final = "http://localhost:4317"

_EMBEDDED_SCHEME: Final = "embedded://"
_DEFAULT_PORTS: Final = {"http": 4317, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A gRPC target such as ``localhost:4317``, and whether to speak TLS to it."""

    target: str
    secure: bool


def read_setting(argument: str | None, variable: str) -> str | None:
    """The argument, else the environment variable without outer space; an empty text counts as not given."""
    return argument or os.environ.get(variable, "").strip() or None


def find_embedded_folder(url: str, *, field: str = "base_url") -> str | None:
    """The data folder of ``embedded://FOLDER``, as it is written; ``None`` for any other address.

    Raises:
        InvalidArgument: no folder is named.
    """
    scheme, separator, folder = url.strip().partition("://")
    if f"{scheme.lower()}{separator}" != _EMBEDDED_SCHEME:
        return None
    if not folder:
        raise InvalidArgument(
            "embedded:// names no data folder; write embedded://./reflect-data, or embedded:///var/lib/reflect for "
            "an absolute path",
            field=field,
        )
    return folder


def parse_address(url: str, *, field: str = "base_url") -> Address:
    """Read ``http://HOST[:PORT]`` (plaintext, port 4317) or ``https://HOST[:PORT]`` (TLS, port 443).

    Raises:
        InvalidArgument: for any other text.
    """
    try:
        parts = urlsplit(url.strip())
        default_port = _DEFAULT_PORTS[parts.scheme]
        port = parts.port or default_port
    except (ValueError, KeyError):
        parts, port = urlsplit(""), 0
    if not parts.hostname:
        raise InvalidArgument(
            f"{url[:200]!r} is no service address; write http://HOST:PORT for plaintext, https://HOST:PORT for TLS, "
            "or embedded://FOLDER for no service at all",
            field=field,
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(target=f"{host}:{port}", secure=parts.scheme == "https")


def build_headers(api_key: str | None, project_id: str | None) -> dict[str, str]:
    """The gRPC metadata that names the caller; a key or project that is not given is left out.

    Raises:
        InvalidArgument: for text that cannot travel in a header.
    """
    headers = {"x-reflect-client": "reflect-otel-python"}
    if api_key:
        headers["authorization"] = f"Bearer {_header_text(api_key, 'api_key')}"
    if project_id:
        headers["x-reflect-project"] = _header_text(project_id, "project_id")
    return headers


def _header_text(text: str, field: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise InvalidArgument(
            f"{field} must be printable ASCII; check it for a stray line break or a look-alike character", field=field
        )
    return text
