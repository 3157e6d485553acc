"""A local server that speaks the OpenAI embeddings protocol: vectors by word overlap, and faults on demand."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from reflect_otel.providers.hashing import HashingEmbedder

HASHING = HashingEmbedder()
DIMENSIONS = 512


def embed(text, dimensions=DIMENSIONS, length=3.0):
    """The hashing embedder's vector, shortened and not of length 1: that is for the client to mend."""
    return (np.asarray(HASHING.embed([text])[0])[:dimensions] * length).astype("<f4")


class ScriptedEmbeddings:
    """Serves /v1/embeddings.

    ``gate`` holds answers back while it is clear. ``faults`` are answered first, one a request: an HTTP status, the
    bytes of a body (an iterator of them: in pieces), or a function from the right answer's JSON to another. What was
    asked is kept in ``requests``.
    """

    def __init__(self, faults=(), encoding="base64"):
        self.requests = []
        self.faults = list(faults)
        self.gate = threading.Event()
        self.gate.set()
        self.encoding = encoding
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def environment(self):
        """What points the embedder here."""
        return {
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": "sk-scripted",
            "REFLECT_EMBEDDING_MODEL": "scripted-words",
        }

    @property
    def texts(self):
        return [text for request in self.requests for text in request["input"]]

    def close(self):
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _handler_of(served):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
            served.requests.append(request)
            served.gate.wait(30)
            fault = served.faults.pop(0) if served.faults else None
            if isinstance(fault, int):
                return self._send(fault, {"error": {"message": "scripted", "type": "server_error"}})
            if isinstance(fault, Iterator | bytes):
                return self._send_pieces([fault] if isinstance(fault, bytes) else fault)
            body = _answer(request, served.encoding)
            return self._send(200, fault(body) if fault else body)

        def _send(self, status, body):
            data = json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                if status == 429:
                    self.send_header("retry-after-ms", "5")
                self.end_headers()
                self.wfile.write(data)
            except ConnectionError:  # who asked has given up
                self.close_connection = True

        def _send_pieces(self, pieces):
            self.close_connection = True
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            try:
                for piece in pieces:
                    self.wfile.write(piece)
            except ConnectionError:  # who asked has given up
                pass

        def log_message(self, *_):
            pass

    return Handler


def _answer(request, encoding):
    dimensions = request.get("dimensions", DIMENSIONS)
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(embed(text, dimensions), encoding)}
        for index, text in enumerate(request["input"])
    ]
    used = sum(len(text) for text in request["input"]) // 4
    return {
        "object": "list",
        "data": data[::-1],  # the protocol orders by index, not by place
        "model": request["model"],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def _encoded(vector, encoding):
    return base64.b64encode(vector.tobytes()).decode() if encoding == "base64" else vector.tolist()
