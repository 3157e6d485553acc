"""``@reflect_trace``: every call of a function is one run.

Functions, coroutine functions, generators and async generators, bare or as methods. A caller gets what the function
gives; of a ``TraceResult`` only the ``output``.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from reflect_otel.client import requests
from reflect_otel.client.trace_context import TraceContext, TraceResult
from reflect_otel.client.traced_function import TracedFunction
from reflect_otel.client.traced_run import TraceOptions
from reflect_otel.client.tracing import RunRecorder
from reflect_otel.errors import InvalidArgument

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


class HasRecorder(Protocol):
    """``ReflectClient`` or ``AsyncReflectClient``."""

    @property
    def recorder(self) -> RunRecorder:
        """Opens and closes runs."""


class InjectingDecorator(Protocol):
    """Takes the ``TraceContext`` parameter away from a function, and unpacks the ``TraceResult``."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[TraceContext, P], Coroutine[Any, Any, TraceResult[T]]], /
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[TraceContext, P], TraceResult[T]], /) -> Callable[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # a method of TraceContext itself would be ambiguous
        self, function: Callable[Concatenate[TraceContext, P], R], /
    ) -> Callable[P, R]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[S, TraceContext, P], Coroutine[Any, Any, TraceResult[T]]], /
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[S, TraceContext, P], TraceResult[T]], /
    ) -> Callable[Concatenate[S, P], T]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[S, TraceContext, P], R], /
    ) -> Callable[Concatenate[S, P], R]: ...


class PlainDecorator(Protocol):
    """Leaves a function's parameters alone, and unpacks the ``TraceResult``."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, TraceResult[T]]], /
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __call__(self, function: Callable[P, TraceResult[T]], /) -> Callable[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def reflect_trace(
    client: HasRecorder,
    task: str | Callable[..., str] | None = None,
    limit: int = 10,
    lambda_: float = 0.5,
    blocking: bool = False,
    auto_fail_on_exception: bool = True,
    inject_context: Literal[True] = True,
    *,
    similarity_threshold: float | None = None,
    metadata_filter: Mapping[str, str] | None = None,
    mmr_lambda: float = 1.0,
    max_injected: int | None = None,
    reference_context: str | None = None,
    alpha: float | None = None,
    agent: str | None = None,
    session_id: str | Callable[..., str | None] | None = None,
) -> InjectingDecorator: ...
@overload
def reflect_trace(
    client: HasRecorder,
    task: str | Callable[..., str] | None = None,
    limit: int = 10,
    lambda_: float = 0.5,
    blocking: bool = False,
    auto_fail_on_exception: bool = True,
    *,
    inject_context: Literal[False],
    similarity_threshold: float | None = None,
    metadata_filter: Mapping[str, str] | None = None,
    mmr_lambda: float = 1.0,
    max_injected: int | None = None,
    reference_context: str | None = None,
    alpha: float | None = None,
    agent: str | None = None,
    session_id: str | Callable[..., str | None] | None = None,
) -> PlainDecorator: ...
def reflect_trace(
    client: HasRecorder,
    task: str | Callable[..., str] | None = None,
    limit: int = 10,
    lambda_: float = 0.5,
    blocking: bool = False,
    auto_fail_on_exception: bool = True,
    inject_context: bool = True,
    *,
    similarity_threshold: float | None = None,
    metadata_filter: Mapping[str, str] | None = None,
    mmr_lambda: float = 1.0,
    max_injected: int | None = None,
    reference_context: str | None = None,
    alpha: float | None = None,
    agent: str | None = None,
    session_id: str | Callable[..., str | None] | None = None,
) -> Any:
    """Make every call of a function one run: memories before it, the run recorded after it.

    Args:
        client: a ``ReflectClient`` or ``AsyncReflectClient``.
        task: the task; a function of the call's arguments; ``None`` = the first argument, as text.
        limit: most memories, 1 to 100.
        lambda_: 1 = by similarity alone, 0 = by utility alone.
        blocking: return only when the run is stored, and learned from if it was reviewed.
        auto_fail_on_exception: an exception reviews the run as failed.
        inject_context: pass a ``TraceContext`` as first argument, after ``self`` or ``cls``.
        similarity_threshold: cosine floor in [-1, 1]; ``None`` = the embedder's own.
        metadata_filter: only memories whose metadata holds all these pairs.
        mmr_lambda: 1 = by score alone; below, lessons in words already served count less.
        max_injected: most memories in the task; ``None`` = the project's setting, else the service's (3).
        reference_context: reference answer or material for judging.
        alpha: step size of the utility update in (0, 1].
        agent: name of the agent; else the function's name.
        session_id: conversation that the runs are turns of, at most 200 characters; or a function of the call's
            arguments that gives it.

    Raises:
        InvalidArgument: without a client, as with a bare ``@reflect_trace``, or for a wrong argument.
    """
    if not hasattr(client, "recorder"):
        raise InvalidArgument("reflect_trace needs a client: @reflect_trace(ReflectClient())", field="client")
    options = TraceOptions(
        retrieval=requests.build_retrieval_options(
            limit, lambda_, similarity_threshold, metadata_filter, mmr_lambda, max_injected
        ),
        blocking=blocking,
        auto_fail_on_exception=auto_fail_on_exception,
        agent=agent,
        reference_context=reference_context,
        alpha=alpha,
    )

    def decorate(function: Any) -> Any:
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(decorate(function.__func__))
        return TracedFunction(
            client.recorder, function, task, session_id, options, inject_context=inject_context
        ).build()

    return decorate
