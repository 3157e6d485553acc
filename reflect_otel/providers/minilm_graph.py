"""The computation of all-MiniLM-L6-v2 as an ONNX graph: a BERT encoder of six layers and the mean of its tokens.

The graph holds no weights; its initializers carry the names of the tensors in ``model.safetensors``, which the
runtime is given beside it. One text at a time, so that nothing is padded and a text's vector never depends on the
company it is embedded in.

Source: Devlin et al., "BERT" (2019), as configured by the model's ``config.json``.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

DIMENSIONS: Final = 384
TOKENS_NAME: Final = "tokens"

_LAYERS: Final = 6
_HEADS: Final = 12
_NORM_EPSILON: Final = 1e-12
_OPSET: Final = 20  # the first with Gelu
_IR_VERSION: Final = 10


class _Graph:
    """Nodes and small constants in the order they are added; every method returns the name of a value."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._numbers = count()

    def constant(self, *values: int) -> str:
        name = f"constant-{next(self._numbers)}"
        self.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"value-{next(self._numbers)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def linear(self, value: str, layer: str) -> str:
        return self.add("Gemm", value, f"{layer}.weight", f"{layer}.bias", transB=1)

    def norm(self, value: str, layer: str) -> str:
        return self.add(
            "LayerNormalization", value, f"{layer}.weight", f"{layer}.bias", axis=-1, epsilon=_NORM_EPSILON
        )

    def heads(self, value: str, order: Sequence[int]) -> str:
        split = self.add("Reshape", value, self.constant(0, _HEADS, DIMENSIONS // _HEADS))
        return self.add("Transpose", split, perm=order)

    def attention(self, value: str, layer: str) -> str:
        query = self.heads(self.linear(value, f"{layer}.self.query"), (1, 0, 2))
        key = self.heads(self.linear(value, f"{layer}.self.key"), (1, 2, 0))
        content = self.heads(self.linear(value, f"{layer}.self.value"), (1, 0, 2))
        weights = self.add("Softmax", self.add("Mul", self.add("MatMul", query, key), "scale"), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", weights, content), perm=(1, 0, 2))
        joined = self.add("Reshape", mixed, self.constant(0, DIMENSIONS))
        return self.linear(joined, f"{layer}.output.dense")

    def embeddings(self) -> str:
        length = self.add("Shape", TOKENS_NAME)
        zero = self.constant(0)
        places = self.add("Slice", "embeddings.position_embeddings.weight", zero, length)
        kind = self.add("Gather", "embeddings.token_type_embeddings.weight", zero)
        words = self.add("Gather", "embeddings.word_embeddings.weight", TOKENS_NAME)
        return self.norm(self.add("Add", self.add("Add", words, places), kind), "embeddings.LayerNorm")

    def encoder_layer(self, value: str, layer: str) -> str:
        attended = self.add("Add", value, self.attention(value, f"{layer}.attention"))
        value = self.norm(attended, f"{layer}.attention.output.LayerNorm")
        widened = self.add("Gelu", self.linear(value, f"{layer}.intermediate.dense"))
        return self.norm(
            self.add("Add", value, self.linear(widened, f"{layer}.output.dense")), f"{layer}.output.LayerNorm"
        )


def build_graph() -> ModelProto:
    """The model from token ids (``tokens``, int64, at least one) to the mean of the last layer (float32, 384)."""
    graph = _Graph()
    scale = numpy_helper.from_array(np.array(1 / np.sqrt(DIMENSIONS // _HEADS), np.float32), "scale")
    value = graph.embeddings()
    for number in range(_LAYERS):
        value = graph.encoder_layer(value, f"encoder.layer.{number}")
    graph.nodes.append(helper.make_node("ReduceMean", [value, graph.constant(0)], ["mean"], keepdims=0))
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info(TOKENS_NAME, TensorProto.INT64, ["length"])],
            [helper.make_tensor_value_info("mean", TensorProto.FLOAT, [DIMENSIONS])],
            [*graph.constants, scale],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )


def declare_weights(model: ModelProto, weights: dict[str, NDArray[np.float32]]) -> list[str]:
    """Declare, without their content, the weights that the graph names; their names.

    Raises:
        KeyError: a tensor that the graph needs is not among ``weights``.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    made = {output for node in model.graph.node for output in node.output} | {TOKENS_NAME}
    names = sorted({name for node in model.graph.node for name in node.input} - known - made)
    for name in names:
        tensor = TensorProto(
            name=name,
            data_type=TensorProto.FLOAT,
            dims=weights[name].shape,
            data_location=TensorProto.EXTERNAL,
        )
        tensor.external_data.add(key="location", value="model.safetensors")
        model.graph.initializer.append(tensor)
    return names
