"""Opaque page tokens (AIP-158): where the next page starts, bound to the list and filter they were made for."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Final, Generic, TypeAlias, TypeVar

from reflect_otel.errors import InvalidArgument

DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1000

PageKey: TypeAlias = tuple[int, str]
"""(Unix nanoseconds, id) of the last item of the previous page; lists run newest first."""

MAX_PAGE_BYTES: Final = 3 * 1024 * 1024
"""Long texts end a page early: gRPC clients take 4 MiB unless told otherwise."""

_MAX_TOKEN_CHARACTERS: Final = 2000

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_Item]):
    """One page of a list. ``next_page_token`` is empty on the last one."""

    items: tuple[_Item, ...]
    next_page_token: str = ""


def build_page(
    found: Sequence[_Item],
    page_size: int,
    scope: tuple[str | None, ...],
    key: Callable[[_Item], PageKey],
    count_bytes: Callable[[_Item], int],
) -> Page[_Item]:
    """The page of what was found with ``limit=page_size + 1``: the one too many tells that there is a next page.

    It ends early where the items would grow beyond ``MAX_PAGE_BYTES``, but never empty.
    """
    sizes = accumulate(count_bytes(item) for item in found)
    fitting = sum(1 for _ in takewhile(lambda size: size <= MAX_PAGE_BYTES, sizes))
    items = tuple(found[: min(page_size, max(1, fitting))])
    more = len(found) > len(items)
    return Page(items=items, next_page_token=build_page_token(scope, key(items[-1])) if more else "")


def count_text_bytes(*texts: str | None) -> int:
    """Size of texts on the wire, rounded up."""
    return sum(len(text) if text.isascii() else 4 * len(text) for text in texts if text)


def require_page_size(page_size: int) -> int:
    """The page size to use; 0 means the default.

    Raises:
        InvalidArgument: below 0 or above 1000.
    """
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidArgument(f"page_size must be 0 to {MAX_PAGE_SIZE}, not {page_size}", field="page_size")
    return page_size or DEFAULT_PAGE_SIZE


def build_page_token(scope: tuple[str | None, ...], last: PageKey) -> str:
    """Token of the page after ``last``.

    ``scope`` names the list and every filter that the next call must repeat; the project is part of it.
    """
    payload = json.dumps([_fingerprint(scope), *last], separators=(",", ":"))
    return base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")


def read_page_token(scope: tuple[str | None, ...], token: str) -> PageKey | None:
    """Where the page starts; ``None`` for the first page (an empty token).

    Raises:
        InvalidArgument: the token is damaged, or was made for another list, filter or project.
    """
    if not token:
        return None
    fingerprint, moment_ns, item_id = _read_payload(token)
    if fingerprint != _fingerprint(scope):
        raise InvalidArgument(
            "page_token belongs to another list or filter; repeat the filter of the call that returned it, "
            "or leave page_token empty to start again",
            field="page_token",
        )
    return moment_ns, item_id


def _read_payload(token: str) -> tuple[str, int, str]:
    try:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise ValueError("too long")  # noqa: TRY301 - one damaged-token message for every kind of damage
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
            case [str(fingerprint), int(moment_ns), str(item_id)] if 0 <= moment_ns < 2**63:
                return fingerprint, moment_ns, item_id
    except (ValueError, binascii.Error, RecursionError):
        pass
    raise InvalidArgument(
        "page_token is damaged; pass next_page_token of the previous response unchanged", field="page_token"
    )


def _fingerprint(scope: tuple[str | None, ...]) -> str:
    return hashlib.sha256(json.dumps(scope).encode()).hexdigest()[:16]
