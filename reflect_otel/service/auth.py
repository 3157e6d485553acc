"""Who calls: the credential decides the project.

The same ``Authenticator`` serves gRPC metadata and HTTP headers, the API and the OTLP receivers. Exporters differ in
where they can put a key, so it is taken from ``authorization`` (Bearer, or Basic with the key as password),
``x-api-key`` and ``api-key``.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from reflect_otel.errors import AuthError, ConfigError, InvalidArgument
from reflect_otel.model.trace import DEFAULT_PROJECT

PROJECT_HEADER: Final = "x-reflect-project"

_KEY_HEADERS: Final = frozenset({"x-api-key", "api-key"})
_PROJECT_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")

Headers: TypeAlias = Iterable[tuple[str, str | bytes]]
"""gRPC metadata or HTTP headers; names in any case."""


def hash_key(key: str) -> str:
    """SHA-256 of an API key in lower-case hex: the only form in which a key is kept."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def require_project_name(name: str, *, field: str = PROJECT_HEADER) -> str:
    """The name, if it is 1 to 100 characters of ``A-Z a-z 0-9 . _ -``.

    Raises:
        InvalidArgument: for any other name.
    """
    if not _PROJECT_NAME.fullmatch(name):
        raise InvalidArgument(
            f"project name {name[:40]!r} is not 1 to 100 characters of A-Z a-z 0-9 . _ -", field=field
        )
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whom a request comes from.

    Attributes:
        bound: True when an API key or a header decided the project, so that nothing inside the request may.
    """

    project_id: str
    bound: bool

    def project_for(self, claimed: str | None) -> str:
        """Project of a part of the request that names one itself (resource attribute ``reflect.project.id``).

        Raises:
            InvalidArgument: the claim counts and is not a project name.
        """
        if self.bound or not claimed:
            return self.project_id
        return require_project_name(claimed, field="reflect.project.id")


class Authenticator:
    """Maps a request's credential to its project.

    Args:
        keys: project name of each key, by ``hash_key`` of the key. Empty: no key is asked for, and the caller names
            the project in ``x-reflect-project`` (default "default").

    Raises:
        ConfigError: a key of the mapping is not a hash, or a project name is not allowed.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        for digest, project_id in keys.items():
            if not _HASH.fullmatch(digest):
                raise ConfigError("an API key must be configured as its SHA-256 in lower-case hex")
            if not _PROJECT_NAME.fullmatch(project_id):
                raise ConfigError(f"project name {project_id[:40]!r} of an API key is not allowed")
        self._keys = tuple((digest.encode(), project_id) for digest, project_id in keys.items())

    @property
    def requires_key(self) -> bool:
        """True when requests without a known key are refused."""
        return bool(self._keys)

    def authenticate(self, headers: Headers) -> Caller:
        """The caller behind these headers.

        Raises:
            AuthError: keys are configured, and the request carries none or none that is known.
            InvalidArgument: no keys are configured, and the header names an impossible project.
        """
        pairs = [(name.lower(), _text(value)) for name, value in headers]
        if not self._keys:
            return _unauthenticated_caller(pairs)
        presented = list(_presented_keys(pairs))
        if not presented:
            raise AuthError("this service needs an API key: set REFLECT_API_KEY, or send 'authorization: Bearer KEY'")
        for key in presented:
            project_id = self._find_project(key)
            if project_id is not None:
                return Caller(project_id=project_id, bound=True)
        raise AuthError("the API key is not known to this service; check that it belongs to this address")

    def _find_project(self, key: str) -> str | None:
        digest = hash_key(key).encode()
        found = None
        for stored, project_id in self._keys:
            if hmac.compare_digest(stored, digest):
                found = project_id
        return found


def _unauthenticated_caller(pairs: Iterable[tuple[str, str]]) -> Caller:
    for name, value in pairs:
        if name == PROJECT_HEADER and value:
            return Caller(project_id=require_project_name(value), bound=True)
    return Caller(project_id=DEFAULT_PROJECT, bound=False)


def _presented_keys(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in pairs:
        if name == "authorization":
            key = _read_authorization(value)
        elif name in _KEY_HEADERS:
            key = value.strip()
        else:
            continue
        if key:
            yield key


def _read_authorization(value: str) -> str:
    scheme, _, credential = value.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() == "bearer":
        return credential
    if scheme.lower() == "basic":
        return _read_basic_password(credential)
    return ""


def _read_basic_password(credential: str) -> str:
    try:
        decoded = base64.b64decode(credential, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[2]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
