"""What a decorated function is asked by one call of it, in which conversation, and where its context goes."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reflect_otel.capture.limited_log import LimitedLog
from reflect_otel.client.requests import build_session_id
from reflect_otel.errors import InvalidArgument

_log: Final = LimitedLog(logging.getLogger(__name__))


def read_signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of a function; ``None`` for one that does not tell."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def find_receivers(signature: inspect.Signature | None) -> int:
    """1 for a method, whose first parameter is ``self`` or ``cls``, else 0: where a ``TraceContext`` goes."""
    first = next(iter(signature.parameters), None) if signature is not None else None
    return 1 if first in {"self", "cls"} else 0


def without_context(signature: inspect.Signature, receivers: int) -> inspect.Signature:
    """The signature without the parameter that takes the ``TraceContext``; ``*args`` stays."""
    parameters = list(signature.parameters.values())
    if len(parameters) > receivers and parameters[receivers].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[receivers]
    return signature.replace(parameters=parameters)


def require_place_for_context(function: Callable[..., Any], signature: inspect.Signature, receivers: int) -> None:
    """Refuse a function that cannot be called with a ``TraceContext`` as its first argument.

    Raises:
        InvalidArgument: it has no parameter that takes one.
    """
    for parameter in list(signature.parameters.values())[receivers:]:
        if parameter.kind not in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
            return
    name = getattr(function, "__name__", type(function).__name__)
    raise InvalidArgument(
        f"{name} has no parameter for the TraceContext; make it the first one, or decorate with inject_context=False",
        field="inject_context",
    )


class FactsOfCall:
    """Derives the task and the conversation of a call. Functions of the host's that fail do not stop it.

    Args:
        function: the decorated function, for its name.
        signature: the function as its callers see it, without the ``TraceContext``.
        receivers: 1 for a method, whose first argument is no input, else 0.
        task: the task itself; a function of the call's arguments; or ``None`` for the first argument.
        session_id: the conversation; a function of the call's arguments; or ``None``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signature: inspect.Signature | None,
        receivers: int,
        task: str | Callable[..., str] | None,
        session_id: str | Callable[..., str | None] | None,
    ) -> None:
        self._name = getattr(function, "__name__", type(function).__name__)
        self._signature = signature
        self._receivers = receivers
        self._task = task
        self._session_id = session_id

    def read_task(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The task as text; the function's name where the call does not tell one. Raises no Exception."""
        try:
            return str(self._find_task(args, kwargs)) or self._name
        except Exception as error:  # noqa: BLE001 - arguments and task functions are the host's; the call goes on
            _log.warn(
                "task",
                "The task of %s could not be read from its arguments (its first parameter takes the TraceContext, "
                "unless inject_context=False): %r",
                self._name,
                error,
            )
            return self._name

    def read_session_id(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        """The conversation; ``None`` where there is none, or none that can be stored. Raises no Exception."""
        if not callable(self._session_id):
            return self._session_id
        try:
            found = self._apply(self._session_id, args, kwargs)
            return build_session_id(None if found is None else str(found)) or None
        except Exception as error:  # noqa: BLE001 - as above
            _log.warn("session", "The session_id of %s could not be read from its arguments: %r", self._name, error)
            return None

    def _find_task(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if isinstance(self._task, str):
            return self._task
        if self._task is None:
            inputs = self._read_inputs(args, kwargs)
            return inputs[0] if inputs else self._name
        return self._apply(self._task, args, kwargs)

    def _apply(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the function gives, which may want the arguments as passed, without ``self``, or by position."""
        inputs = self._read_inputs(args, kwargs)
        for arguments, named in ((args, kwargs), (args[self._receivers :], kwargs), (inputs, {})):
            if _accepts(function, arguments, named):
                return function(*arguments, **named)
        return function(*args, **kwargs)

    def _read_inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        """Values of the call's arguments in the order of the parameters, however they were passed."""
        if self._signature is None:
            return (*args[self._receivers :], *kwargs.values())
        bound = self._signature.bind_partial(*args, **kwargs)
        bound.apply_defaults()
        values: list[Any] = []
        for name, value in list(bound.arguments.items())[self._receivers :]:
            kind = self._signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                values += value
            elif kind is inspect.Parameter.VAR_KEYWORD:
                values += value.values()
            else:
                values.append(value)
        return tuple(values)


def _accepts(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return False
    return True
