"""An agent behind HTTP whose users say later whether the answer helped: asyncio, streaming, deferred review.

    pip install 'reflect-otel[openai]' starlette uvicorn
    reflect-otel serve &
    OPENAI_API_KEY=sk-... python examples/web_service.py --port 8000

    curl -s localhost:8000/ask -d '{"question": "How do I cancel an order?"}' -D -
    curl -s localhost:8000/feedback -d '{"trace_id": "...", "helped": false, "why": "I wanted the app"}'

``/ask`` streams the answer while the model writes it; its run is in the header ``x-trace-id``. ``/feedback`` reviews
that run. Neither waits for the service: without one, the agent answers as it would without memories.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from reflect_otel import AsyncReflectClient, NotFound, ReflectError, TraceContext, reflect_trace

MODEL = "gpt-5.4-mini"

client = AsyncReflectClient()


@reflect_trace(client, task=lambda question, started: question)
async def answer(ctx: TraceContext, question: str, started: list[str]) -> AsyncIterator[str]:
    """One run: it begins with the first piece and ends with the last one."""
    started.append(ctx.run_id)
    messages = [{"role": "user", "content": ctx.augmented_task}]
    pieces = []
    async with AsyncOpenAI() as openai:
        stream = await openai.chat.completions.create(model=MODEL, messages=messages, stream=True)
        async for chunk in stream:
            piece = chunk.choices[0].delta.content if chunk.choices else None
            if piece:
                pieces.append(piece)
                yield piece
    ctx.set_output([*messages, {"role": "assistant", "content": "".join(pieces)}], model=MODEL)


async def ask(request: Request) -> StreamingResponse:
    started: list[str] = []
    pieces = answer((await request.json())["question"], started)
    first = await anext(pieces, "")

    async def stream() -> AsyncIterator[str]:
        yield first
        async for piece in pieces:
            yield piece

    return StreamingResponse(stream(), media_type="text/plain", headers={"x-trace-id": started[0]})


async def feedback(request: Request) -> JSONResponse:
    given = await request.json()
    try:
        trace = await client.review_trace(
            given["trace_id"], result="pass" if given["helped"] else "fail", feedback_text=given.get("why")
        )
    except NotFound:
        return JSONResponse({"error": "no such run"}, 404)
    except ReflectError as error:
        return JSONResponse({"error": str(error)}, 503)
    return JSONResponse({"learned": trace.created_memory_id})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with client:
        yield


app = Starlette(
    routes=[Route("/ask", ask, methods=["POST"]), Route("/feedback", feedback, methods=["POST"])], lifespan=lifespan
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An agent behind HTTP.")
    parser.add_argument("--port", type=int, default=8000)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, log_level="warning")
