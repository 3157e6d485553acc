"""all-MiniLM-L6-v2 in plain numpy: what the tests check the shipped embedder against, and the benchmark its speed."""

import numpy as np
from tokenizers import Tokenizer

from reflect_otel.providers.local_models import MINILM, TOKENIZER, WEIGHTS, get_model_folder
from reflect_otel.providers.minilm import read_weights

HEADS, LAYERS = 12, 6


class PlainMiniLM:
    """A BERT encoder of six layers with mean pooling, one text at a time."""

    def __init__(self):
        folder = get_model_folder(MINILM)
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER.name))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)
        self._weights = {name: np.ascontiguousarray(w) for name, w in read_weights(folder / WEIGHTS.name).items()}

    def embed(self, text):
        return self.embed_tokens(self.tokenizer.encode(text).ids)

    def embed_tokens(self, tokens):
        w = self._weights
        place = w["embeddings.position_embeddings.weight"][: len(tokens)]
        kind = w["embeddings.token_type_embeddings.weight"][0]
        value = self._norm(w["embeddings.word_embeddings.weight"][tokens] + place + kind, "embeddings.LayerNorm")
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}"
            attended = self._attend(value, f"{layer}.attention")
            value = self._norm(value + attended, f"{layer}.attention.output.LayerNorm")
            wide = _gelu(self._linear(value, f"{layer}.intermediate.dense"))
            value = self._norm(value + self._linear(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = value.mean(0)
        return mean / np.linalg.norm(mean)

    def _linear(self, value, name):
        return value @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, value, name):
        centred = value - value.mean(-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(1e-12))
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def _attend(self, value, name):
        query, key, content = (
            self._linear(value, f"{name}.self.{part}").reshape(len(value), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        weights = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[-1]))
        weights = np.exp(weights - weights.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return self._linear((weights @ content).transpose(1, 0, 2).reshape(len(value), -1), f"{name}.output.dense")


def _gelu(value):
    cubed = value * value * value
    return 0.5 * value * (1 + np.tanh(np.float32(0.7978845608) * (value + np.float32(0.044715) * cubed)))
