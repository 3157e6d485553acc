"""From ``PROVIDER:MODEL`` to what asks the language model: quiet in the host's telemetry, within the budget."""

from collections.abc import Callable, Mapping
from typing import Any

from collector_plugin.quiet_adapters import QuietReflector
from collector_plugin.settings import EngineOptions
from reflect_otel.capture.suppression import suppressed_instrumentation
from reflect_otel.errors import ConfigError
from reflect_otel.learning.model_caller import ModelCaller
from reflect_otel.learning.model_reflector import ModelReflector
from reflect_otel.model.model_call import Completion, ModelOptions
from reflect_otel.model.reflection import OFFLINE
from reflect_otel.plugins import find_plugin_names, load_plugin
from reflect_otel.ports import Clock, LanguageModel, ModelCallLedger, Reflector

_GROUP = "reflect_otel.language_models"


class QuietModel:
    """A ``LanguageModel`` over another, unseen by instrumentations."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.provider = model.provider
        self.model = model.model

    def complete(self, system: str, user: str, *, schema_name: str, schema: Mapping[str, Any]) -> Completion:
        """The answer of the model beneath. Raises as it does."""
        with suppressed_instrumentation():
            return self._model.complete(system, user, schema_name=schema_name, schema=schema)


def build_caller(
    options: EngineOptions, ledger: ModelCallLedger, find_ceiling_usd: Callable[[str], float | None], clock: Clock
) -> ModelCaller | None:
    """What asks the language model that ``options.reflector`` names; ``None`` when it names none.

    Raises:
        ConfigError: the model's name is missing, or the judge has no model to ask.
        PluginError: the provider's library is not installed.
    """
    provider, _, model_name = options.reflector.partition(":")
    if provider not in find_plugin_names(_GROUP):
        if options.judge:
            raise ConfigError("the judge asks the reflector's language model; name one: --reflector openai:MODEL")
        return None
    if not model_name:
        raise ConfigError(f"reflector {provider!r} needs the name of a model; write {provider}:MODEL")
    call_options = ModelOptions(model=model_name, timeout_seconds=options.model_timeout_seconds)
    model = QuietModel(load_plugin(_GROUP, provider)(call_options))
    return ModelCaller(model, ledger, options.model_limits, clock, find_ceiling_usd, call_options.max_output_tokens)


def build_reflector(options: EngineOptions, caller: ModelCaller | None) -> Reflector:
    """The reflector: the language model's with the offline one behind it, or an installed one of that name.

    Raises:
        PluginError: no such reflector is installed.
    """
    if caller is None:
        return QuietReflector(load_plugin("reflect_otel.reflectors", options.reflector)())
    fallback: Reflector = load_plugin("reflect_otel.reflectors", OFFLINE)()
    return ModelReflector(caller, fallback, options.settings.allowed_hosts)
