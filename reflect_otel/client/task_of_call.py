"""What a decorated function is asked by one call of it, and where its ``TraceContext`` goes."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reflect_otel.capture.limited_log import LimitedLog

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


class TaskOfCall:
    """Derives the task of a call.

    Args:
        function: the decorated function, for its name.
        signature: the function as its callers see it, without the ``TraceContext``.
        receivers: 1 for a method, whose first argument is no input, else 0.
        task: the task itself; a function of the call's arguments; or ``None`` for the first argument.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signature: inspect.Signature | None,
        receivers: int,
        task: str | Callable[..., str] | None,
    ) -> None:
        self._name = getattr(function, "__name__", type(function).__name__)
        self._signature = signature
        self._receivers = receivers
        self._task = task

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The task as text; the function's name where the call does not tell one. Raises no Exception."""
        try:
            return str(self._find(args, kwargs)) or self._name
        except Exception as error:  # noqa: BLE001 - arguments and task functions are the host's; the call goes on
            _log.warn("task", "The task of %s could not be read from its arguments: %r", self._name, error)
            return self._name

    def _find(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if isinstance(self._task, str):
            return self._task
        inputs = self._read_inputs(args, kwargs)
        if self._task is None:
            return inputs[0] if inputs else self._name
        for arguments, named in ((args, kwargs), (args[self._receivers :], kwargs), (inputs, {})):
            if _accepts(self._task, arguments, named):
                return self._task(*arguments, **named)
        return self._task(*args, **kwargs)

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
