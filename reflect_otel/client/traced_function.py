"""A function whose calls are runs: the same kind of function, opened and closed around every call."""

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, wraps
from typing import Any

from reflect_otel.client.facts_of_call import (
    FactsOfCall,
    find_receivers,
    read_signature,
    require_place_for_context,
    without_context,
)
from reflect_otel.client.returned import StreamedText, take_returned
from reflect_otel.client.traced_run import TracedRun, TraceOptions
from reflect_otel.client.tracing import RunRecorder, close_async, open_async


class TracedFunction:
    """One decorated function.

    Args:
        recorder: opens and closes its runs.
        function: what is decorated.
        task: the task, a function of the arguments, or ``None`` for the first argument.
        session_id: the conversation, a function of the arguments, or ``None``.
        options: of every run.
        inject_context: whether the function takes a ``TraceContext``.

    Raises:
        InvalidArgument: when it should take one and has no parameter for it.
    """

    def __init__(
        self,
        recorder: RunRecorder,
        function: Callable[..., Any],
        task: str | Callable[..., str] | None,
        session_id: str | Callable[..., str | None] | None,
        options: TraceOptions,
        *,
        inject_context: bool,
    ) -> None:
        self._recorder = recorder
        self._function = function
        self._injects = inject_context
        signature = read_signature(function)
        self._receivers = find_receivers(signature)
        if inject_context and signature is not None:
            require_place_for_context(function, signature, self._receivers)
            signature = without_context(signature, self._receivers)
        self._signature = signature
        self._facts = FactsOfCall(function, self._signature, self._receivers, task, session_id)
        self._options = replace(options, agent=options.agent or getattr(function, "__name__", None))

    def build(self) -> Callable[..., Any]:
        """The replacement, which looks to its callers like the function without its ``TraceContext``."""
        replacement = self._choose_kind()
        if hasattr(self._function, "__name__"):
            replacement = wraps(self._function)(replacement)
        if self._signature is not None:
            replacement.__signature__ = self._signature  # type: ignore[attr-defined] # read by inspect.signature
        return replacement

    def _choose_kind(self) -> Callable[..., Any]:
        function = self._function
        if not inspect.isroutine(function):
            function = getattr(function, "__call__", function)  # noqa: B004 - its kind is asked for, not its presence
        if inspect.isasyncgenfunction(function):
            return self._build_async_generator()
        if inspect.iscoroutinefunction(function):
            return self._build_coroutine()
        if inspect.isgeneratorfunction(function):
            return self._build_generator()
        return self._build_call()

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, TraceOptions]:
        task, session_id = self._facts.read_task(args, kwargs), self._facts.read_session_id(args, kwargs)
        return task, replace(self._options, session_id=session_id) if session_id else self._options

    def _call(self, run: TracedRun, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._injects:
            args = (*args[: self._receivers], run.context, *args[self._receivers :])
        return self._function(*args, **kwargs)

    def _build_call(self) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            run = self._recorder.open(*self._read(args, kwargs))
            with self._closing_failed(run):
                with run.inside():
                    returned = self._call(run, args, kwargs)
                if inspect.iscoroutine(returned):
                    return self._finish(run, returned)
                output = take_returned(run.context, returned)
            self._recorder.close(run, None)
            return output

        return call

    def _build_coroutine(self) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            run = await open_async(self._recorder, *self._read(args, kwargs))
            with self._closing_failed(run):
                coroutine = self._call(run, args, kwargs)
            return await self._finish(run, coroutine)

        return call

    async def _finish(self, run: TracedRun, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            with run.inside():
                returned = await coroutine
            output = take_returned(run.context, returned)
        except BaseException as error:
            await close_async(self._recorder, run, error)
            raise
        await close_async(self._recorder, run, None)
        return output

    def _build_generator(self) -> Callable[..., Any]:
        def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            run = self._recorder.open(*self._read(args, kwargs))
            with self._closing_failed(run):
                returned = yield from self._drive(run, self._call(run, args, kwargs))
                output = take_returned(run.context, returned)
            self._recorder.close(run, None)
            return output

        return generate

    def _drive(self, run: TracedRun, steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Everything the generator does, each stretch of it inside the run; what it returns."""
        text, resume = StreamedText(), partial(next, steps)
        while True:
            try:
                with run.inside():
                    item = resume()
            except StopIteration as end:
                text.take(run.context)
                return end.value
            text.add(item)
            try:
                sent = yield item
            except GeneratorExit:
                with run.inside():
                    steps.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - it is the generator's to handle
                resume = partial(steps.throw, thrown)
            else:
                resume = partial(steps.send, sent)

    def _build_async_generator(self) -> Callable[..., Any]:
        async def generate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            run = await open_async(self._recorder, *self._read(args, kwargs))
            text = StreamedText()
            try:
                steps = self._call(run, args, kwargs)
                resume: Callable[[], Any] = partial(anext, steps)
                while True:
                    try:
                        with run.inside():
                            item = await resume()
                    except StopAsyncIteration:
                        break
                    text.add(item)
                    try:
                        sent = yield item
                    except GeneratorExit:
                        with run.inside():
                            await steps.aclose()
                        raise
                    except BaseException as thrown:  # noqa: BLE001 - it is the generator's to handle
                        resume = partial(steps.athrow, thrown)
                    else:
                        resume = partial(steps.asend, sent)
            except BaseException as error:
                await close_async(self._recorder, run, error)
                raise
            text.take(run.context)
            await close_async(self._recorder, run, None)

        return generate

    @contextmanager
    def _closing_failed(self, run: TracedRun) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._recorder.close(run, error)
            raise
