"""The embedder that knows meanings and needs no network: all-MiniLM-L6-v2 on this machine, without torch.

``reflect-otel models install minilm`` brings the weights. They run under onnxruntime, which takes about half the time
of the same arithmetic in numpy (tests/bench/embed_cost.py), on one core for each text and outside the interpreter's
lock, so that other threads go on.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from reflect_otel.ports import Vector
from reflect_otel.providers.local_models import MINILM, TOKENIZER, WEIGHTS, get_model_folder
from reflect_otel.providers.minilm_graph import DIMENSIONS, TOKENS_NAME, build_graph, declare_weights

_GATE: Final = 0.32
_LONGEST_TOKENS: Final = 256
"""What the model was trained to read (``max_seq_length``); what stands behind it in a text does not count."""
_LONGEST_CHARACTERS: Final = 16_000
"""Far more than 256 tokens of any language need; spares the tokenizer the rest of a pasted document."""


class MiniLMEmbedder:
    """all-MiniLM-L6-v2: 384 dimensions, trained on English, the first 256 tokens of a text.

    ``gate`` is the 95th percentile of the cosine between texts of different tasks, one text a task: the first
    messages of 12 tau-bench tasks, 5 requests of our telemetry samples, 30 everyday ones
    (tests/unit/providers/test_minilm.py recomputes it).

    Raises:
        ConfigError: the model is not installed, or a file is not the one that was published.
    """

    id = "minilm@1"
    dimensions = DIMENSIONS
    lexical = False
    gate = _GATE

    def __init__(self) -> None:
        folder = get_model_folder(MINILM)
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER.name))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_LONGEST_TOKENS)
        self._session = build_session(read_weights(folder / WEIGHTS.name))

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One float32 vector of length 1 per text; about 15 ms for 64 tokens on one core."""
        return [cast("Vector", self._embed(text)) for text in texts]

    def _embed(self, text: str) -> NDArray[np.float32]:
        readable = text[:_LONGEST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
        tokens = np.array(self._tokenizer.encode(readable).ids, np.int64)
        mean: NDArray[np.float32] = self._session.run(None, {TOKENS_NAME: tokens})[0]
        return mean / np.linalg.norm(mean)


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of a safetensors file by name, read from the file as they are needed."""
    content = np.memmap(path, dtype=np.uint8, mode="r")
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    header = json.loads(content[8:start].tobytes())
    return {
        name: content[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]]
        .view(np.float32)
        .reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


def build_session(weights: dict[str, NDArray[np.float32]]) -> Any:
    """The model, ready to run from any thread, each run on the calling thread's core alone."""
    model = build_graph()
    names = declare_weights(model, weights)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(weights[name])) for name in names]
    options.add_external_initializers(names, values)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
