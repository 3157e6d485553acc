"""Entry-point look-up: the one way to an adapter, ours or a third party's.

Built-ins are declared in our own ``pyproject.toml`` under the same groups, so this path is used daily.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from reflect_otel.errors import PluginError

_EXTRAS: Final[Mapping[str, str]] = {"minilm": "server,minilm", "openai": "server,openai"}
"""What to install for a plugin whose libraries the ``server`` extra leaves out."""


@cache
def _group(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def find_plugin_names(group: str) -> list[str]:
    """Names installed in an entry-point group such as ``reflect_otel.embedders``, sorted."""
    return sorted(_group(group))


def load_plugin(group: str, name: str) -> Any:
    """Load the object registered as ``name`` in ``group``.

    Raises:
        PluginError: when there is none, or it does not import; the message lists what is installed.
    """
    entry = _group(group).get(name)
    if entry is None:
        installed = ", ".join(find_plugin_names(group)) or "none"
        raise PluginError(f"no {group} plugin named {name!r}; installed: {installed}")
    try:
        return entry.load()
    except ImportError as error:
        extras = _EXTRAS.get(name, "server")
        raise PluginError(
            f"the {group} plugin {name!r} needs {error.name or error}; pip install 'reflect-otel[{extras}]'"
        ) from error
