"""A local server that speaks the OpenAI chat-completions protocol with answers from a script.

Plain answers, tool calls, server-sent events and errors; what was asked is kept in ``requests``.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Self

CREATED = 1_800_000_000
_ids = count(1)


def text(content: str) -> dict:
    """An assistant message that ends the turn."""
    return {"role": "assistant", "content": content}


def tool_call(name: str, arguments: dict, call_id: str = "call_1") -> dict:
    """An assistant message that asks for one tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def error(status: int, message: str, **headers: str) -> dict:
    """An HTTP error in OpenAI's form; ``retry_after="3"`` sends that header."""
    body = {"message": message, "type": "server_error", "code": None, "param": None}
    return {"status": status, "error": body, "headers": {k.replace("_", "-"): v for k, v in headers.items()}}


def refusal(words: str) -> dict:
    """An assistant message that refuses."""
    return {"role": "assistant", "content": None, "refusal": words}


def raw(body: str) -> dict:
    """A successful answer with any body."""
    return {"raw": body}


def held(until: threading.Event, message: dict) -> dict:
    """A message that comes only once ``until`` is set, or half a minute later."""
    return {**message, "until": until}


def dripping(body: str, piece_seconds: float = 0.02) -> dict:
    """A successful answer that comes one byte at a time."""
    return {"raw": body, "piece_seconds": piece_seconds}


HANG_UP = {"hang_up": True}
"""The connection ends without an answer."""


class ScriptedLLM:
    """Serves ``script``: a list of messages, one for each request, or a function from the request's JSON to one.

    The last message of a list is repeated when the list is used up.
    """

    def __init__(self, script: Iterable[dict] | Callable[[dict], dict]):
        self.requests: list[dict] = []
        self._answer = script if callable(script) else _one_by_one(list(script))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"llm": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """What points the openai library here."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "sk-scripted"}

    def answer(self, request: dict) -> dict:
        self.requests.append(request)
        return self._answer(request)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _one_by_one(messages: list[dict]) -> Callable[[dict], dict]:
    numbers = count()
    return lambda request: messages[min(next(numbers), len(messages) - 1)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    llm: ScriptedLLM

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        if not self.path.endswith("/chat/completions"):
            return self._send(404, error(404, f"no such path: {self.path}"))
        message = dict(self.llm.answer(request))
        if "until" in message:
            message.pop("until").wait(30)
        return self._misbehave(message) or self._answer(request, message)

    def _misbehave(self, message):
        """Whether the message was no answer but a fault, and has been dealt with."""
        if "hang_up" in message:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif "piece_seconds" in message:
            self._drip(message["raw"].encode(), message["piece_seconds"])
        elif "raw" in message:
            self._send_bytes(200, message["raw"].encode(), {})
        elif "status" in message:
            self._send(message["status"], {"error": message["error"]}, message["headers"])
        return not message.keys().isdisjoint({"hang_up", "raw", "status"})

    def _answer(self, request, message):
        if request.get("stream"):
            self._stream(request, message)
        else:
            self._send(200, _completion(request, message))

    def _send(self, status, body, headers=None):
        self._send_bytes(status, json.dumps(body).encode(), headers or {})

    def _send_bytes(self, status, data, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _drip(self, data, piece_seconds):
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        for byte in data:
            try:
                self.wfile.write(bytes((byte,)))
            except OSError:  # whoever asked has gone
                return
            threading.Event().wait(piece_seconds)

    def _stream(self, request, message):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for chunk in _chunks(request, message):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, *_):
        pass


def _usage(request: dict, message: dict) -> dict:
    asked, answered = len(json.dumps(request["messages"])) // 4, max(1, len(json.dumps(message)) // 4)
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _finish_reason(message: dict) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


def _completion(request: dict, message: dict) -> dict:
    return {
        "id": f"chatcmpl-{next(_ids)}",
        "object": "chat.completion",
        "created": CREATED,
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": _finish_reason(message), "logprobs": None}],
        "usage": _usage(request, message),
    }


def _chunks(request: dict, message: dict):
    shared = {
        "id": f"chatcmpl-{next(_ids)}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": request["model"],
    }

    def chunk(delta: dict, finish_reason: str | None = None) -> dict:
        return {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    yield chunk({"role": "assistant", "content": ""})
    for word in (message.get("content") or "").split(" "):
        yield chunk({"content": f"{word} "})
    for index, call in enumerate(message.get("tool_calls") or ()):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    yield chunk({}, _finish_reason(message))
    if (request.get("stream_options") or {}).get("include_usage"):
        yield {**shared, "choices": [], "usage": _usage(request, message)}
