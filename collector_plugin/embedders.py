"""Which embedder a data folder is used with: the one asked for, and the one that serves until that has everything."""

import importlib.util
import logging
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from collector_plugin.quiet_adapters import QuietEmbedder
from reflect_otel.errors import ReflectError
from reflect_otel.plugins import load_plugin
from reflect_otel.ports import Embedder
from reflect_otel.providers.local_models import MINILM, find_models_dir, is_installed

AUTO: Final = "auto"
"""The best embedder that is set up: ``openai``, else ``minilm``, else ``hashing``."""

ENV_EMBEDDING_MODEL: Final = "REFLECT_EMBEDDING_MODEL"
"""Model of an OpenAI-compatible endpoint; nothing leaves the machine for embedding unless this is set."""

_MINILM_MODULES: Final = ("onnxruntime", "onnx", "tokenizers")
_ID_PARTS: Final = re.compile(r"[:@]")

_log: Final = logging.getLogger(__name__)


def choose_embedder_name(name: str) -> str:
    """The entry point that ``name`` stands for; ``auto`` is settled by what is set up on this machine."""
    if name != AUTO:
        return name
    if os.environ.get(ENV_EMBEDDING_MODEL, "").strip():
        return "openai"
    if is_installed(MINILM, find_models_dir()):
        if all(importlib.util.find_spec(module) for module in _MINILM_MODULES):
            return "minilm"
        _log.warning("minilm is installed but its libraries are not; pip install 'reflect-otel[server,minilm]'")
    return "hashing"


def open_embedder(name: str) -> Embedder:
    """The embedder of that name, or for ``auto`` the best one there is.

    Raises:
        PluginError: no embedder of that name, or its libraries are not installed.
        ConfigError: it is not set up.
    """
    embedder: Embedder = QuietEmbedder(load_plugin("reflect_otel.embedders", choose_embedder_name(name))())
    if embedder.lexical:
        _log.info(
            "embedder %s compares words, not meanings; `reflect-otel models install minilm` brings one that does",
            embedder.id,
        )
    return embedder


def find_serving_embedder(target: Embedder, embedded: Mapping[str, int]) -> Embedder:
    """Who searches for now: the target, unless another embedder has more of the memories and can be loaded.

    Args:
        target: the embedder to be used once it has every memory.
        embedded: memories with a vector, by embedder id.
    """
    own = embedded.get(target.id, 0)
    for embedder_id in sorted(embedded, key=lambda key: (-embedded[key], key)):
        if embedder_id != target.id and embedded[embedder_id] > own:
            former = _find_former(embedder_id)
            if former is not None:
                return former
            _log.warning(
                "the memories were embedded by %s, which cannot be loaded; each is found again once it is embedded",
                embedder_id,
            )
    return target


def _find_former(embedder_id: str) -> Embedder | None:
    try:
        adapter: Any = load_plugin("reflect_otel.embedders", _ID_PARTS.split(embedder_id)[0])
        embedder = adapter.from_id(embedder_id) if hasattr(adapter, "from_id") else adapter()
    except ReflectError:
        return None
    return QuietEmbedder(embedder) if embedder.id == embedder_id else None
