"""The dense pass of a DeepFM behind one face: what each library makes of pooled inputs and of weights that change every few seconds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np

from engine.features.encoded import FloatArray
from engine.models.dense_pass.serving_pass import ServingPass
from engine.spec.definition import ModelDefinition
from tests.bench.ranking_scene import DIM, HIDDEN, NUM_SLOTS

Weights = Mapping[str, FloatArray]

_SIDE: Final = NUM_SLOTS // 2 * DIM
_LAYERS: Final = [f"hidden_{index}" for index in range(len(HIDDEN))]
_NAMES: Final = [
    "first_order/kernel",
    "first_order/bias",
    *(f"{layer}/{part}" for layer in [*_LAYERS, "output"] for part in ("kernel", "bias")),
]


class Contestant(Protocol):
    def update(self, weights: Weights) -> None:
        """Answer from these weights from now on."""

    def scores(self, user: FloatArray, items: FloatArray) -> FloatArray:
        """float32[n], probabilities, of one user's pooled embeddings float32[1, 208] and items' float32[n, 208]."""


class Core:
    """A program of the C++ core, the user's share of every sum computed once."""

    def __init__(self, definition: ModelDefinition) -> None:
        self._pass = ServingPass(definition)

    def update(self, weights: Weights) -> None:
        self._packed = self._pass.pack(weights)

    def scores(self, user: FloatArray, items: FloatArray) -> FloatArray:
        pairs = np.empty((len(items), 0), np.float32)
        return self._packed.program.run(user, items, pairs, self._packed.result, 1)[:, 0]


class Numpy:
    """The same formula on NumPy's BLAS, the user's share computed once, too."""

    def __init__(self, definition: ModelDefinition) -> None:
        del definition

    def update(self, weights: Weights) -> None:
        self._weights = {name: np.ascontiguousarray(value) for name, value in weights.items()}

    def scores(self, user: FloatArray, items: FloatArray) -> FloatArray:
        weights = self._weights
        values = self._begun("hidden_0", user, items)
        np.maximum(values, 0.0, out=values)
        for layer in _LAYERS[1:]:
            values = values @ weights[f"{layer}/kernel"]
            values += weights[f"{layer}/bias"]
            np.maximum(values, 0.0, out=values)
        logits = values @ weights["output/kernel"] + weights["output/bias"] + self._begun("first_order", user, items)
        of_user, of_items = user.reshape(1, -1, DIM), items.reshape(len(items), -1, DIM)
        total = of_user.sum(axis=1) + of_items.sum(axis=1)
        squares = np.square(of_user).sum(axis=1) + np.square(of_items).sum(axis=1)
        logits[:, 0] += 0.5 * (total * total - squares).sum(axis=1)
        scores: FloatArray = 1.0 / (1.0 + np.exp(-logits[:, 0]))
        return scores

    def _begun(self, layer: str, user: FloatArray, items: FloatArray) -> FloatArray:
        kernel = self._weights[f"{layer}/kernel"]
        values: FloatArray = items @ kernel[_SIDE:]
        values += user @ kernel[:_SIDE] + self._weights[f"{layer}/bias"]
        return values


def _formula(tf: Any, weights: Mapping[str, Any], user: Any, items: Any) -> Any:
    """In TensorFlow: the layers that training has, over user and item side by side."""
    flat = tf.concat([tf.tile(user, [tf.shape(items)[0], 1]), items], axis=1)
    fields = tf.reshape(flat, (-1, NUM_SLOTS, DIM))
    total = tf.reduce_sum(fields, axis=1)
    pairs = 0.5 * tf.reduce_sum(total * total - tf.reduce_sum(fields * fields, axis=1), axis=1, keepdims=True)
    values = flat
    for layer in _LAYERS:
        values = tf.nn.relu(values @ weights[f"{layer}/kernel"] + weights[f"{layer}/bias"])
    deep = values @ weights["output/kernel"] + weights["output/bias"]
    return tf.sigmoid(deep + flat @ weights["first_order/kernel"] + weights["first_order/bias"] + pairs)[:, 0]


class TensorFlow:
    """A compiled function, the weights its inputs; one thread within an operation."""

    def __init__(self, definition: ModelDefinition) -> None:
        del definition
        self._tf = importlib.import_module("tensorflow")

    def update(self, weights: Weights) -> None:
        tf = self._tf
        tensors = {name: tf.constant(weights[name]) for name in _NAMES}
        if not hasattr(self, "_function"):
            side = tf.TensorSpec([None, _SIDE], tf.float32)
            specs = {name: tf.TensorSpec(value.shape, tf.float32) for name, value in tensors.items()}
            function = tf.function(lambda given, user, items: _formula(tf, given, user, items), autograph=False)
            self._function = function.get_concrete_function(specs, side, side)
        self._tensors = tensors

    def scores(self, user: FloatArray, items: FloatArray) -> FloatArray:
        tf = self._tf
        found: FloatArray = self._function(self._tensors, tf.constant(user), tf.constant(items)).numpy()
        return found


class LiteRT:
    """Converted anew for new weights: they are constants, which is how XNNPACK is fast."""

    def __init__(self, definition: ModelDefinition) -> None:
        del definition
        self._tf = importlib.import_module("tensorflow")
        self._interpreter = importlib.import_module("ai_edge_litert.interpreter")

    def update(self, weights: Weights) -> None:
        tf = self._tf
        constants = {name: tf.constant(weights[name]) for name in _NAMES}
        function = tf.function(lambda user, items: _formula(tf, constants, user, items), autograph=False)
        specs = [tf.TensorSpec([1, _SIDE], tf.float32), tf.TensorSpec([None, _SIDE], tf.float32)]
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function(*specs)])
        self._model = converter.convert()
        self._ready: dict[int, Any] = {}

    def scores(self, user: FloatArray, items: FloatArray) -> FloatArray:
        interpreter = self._ready.get(len(items))
        if interpreter is None:
            interpreter = self._ready[len(items)] = self._made(len(items))
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], items if detail["shape_signature"][0] < 0 else user)
        interpreter.invoke()
        found: FloatArray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        return found

    def _made(self, num: int) -> Any:
        interpreter = self._interpreter.Interpreter(model_content=self._model, num_threads=1)
        for detail in interpreter.get_input_details():
            if detail["shape_signature"][0] < 0:
                interpreter.resize_tensor_input(detail["index"], [num, _SIDE])
        interpreter.allocate_tensors()
        return interpreter


class OnnxRuntime:
    """A graph of onnx operators with the weights as initializers, a session for new ones; the user's share computed once."""

    def __init__(self, definition: ModelDefinition) -> None:
        del definition
        self._runtime = importlib.import_module("onnxruntime")
        self._onnx = importlib.import_module("onnx")

    def update(self, weights: Weights) -> None:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = self._model(weights).SerializeToString()
        self._session = self._runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def scores(self, user: FloatArray, items: FloatArray) -> FloatArray:
        found: FloatArray = self._session.run(["scores"], {"user": user, "items": items})[0][:, 0]
        return found

    def _model(self, weights: Weights) -> Any:
        helper, numpy_helper = self._onnx.helper, self._onnx.numpy_helper
        nodes: list[Any] = []
        constants: dict[str, Any] = {name: weights[name] for name in _NAMES}
        for layer in ("hidden_0", "first_order"):
            constants[f"{layer}/of_user"], constants[f"{layer}/of_items"] = np.split(weights[f"{layer}/kernel"], 2)
        # Sums over slots are a product with ones.
        constants |= {"sums": np.tile(np.eye(DIM, dtype=np.float32), (NUM_SLOTS // 2, 1)), "half": np.float32(0.5)}
        constants["dims"] = np.ones((DIM, 1), np.float32)

        def add(operator: str, output: str, *inputs: str) -> str:
            nodes.append(helper.make_node(operator, list(inputs), [output]))
            return output

        def begun(layer: str) -> str:
            share = add("Gemm", f"{layer}.user", "user", f"{layer}/of_user", f"{layer}/bias")
            product = add("MatMul", f"{layer}.items", "items", f"{layer}/of_items")
            return add("Add", f"{layer}.whole", product, share)

        values = add("Relu", "hidden_0.out", begun("hidden_0"))
        for layer in _LAYERS[1:]:
            product = add("Gemm", f"{layer}.sum", values, f"{layer}/kernel", f"{layer}/bias")
            values = add("Relu", f"{layer}.out", product)
        deep = add("Gemm", "deep", values, "output/kernel", "output/bias")
        totals, squares = [], []
        for side in ("user", "items"):
            totals.append(add("MatMul", f"{side}.total", side, "sums"))
            squared = add("Mul", f"{side}.squared", side, side)
            squares.append(add("MatMul", f"{side}.squares", squared, "sums"))
        total, square = add("Add", "total", *totals), add("Add", "squares", *squares)
        both = add("Sub", "both", add("Mul", "total.squared", total, total), square)
        pairs = add("Mul", "pairs", add("MatMul", "pairs.twice", both, "dims"), "half")
        logit = add("Add", "logit", add("Add", "linear", deep, begun("first_order")), pairs)
        add("Sigmoid", "scores", logit)
        kind = self._onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            nodes,
            "deepfm",
            [
                helper.make_tensor_value_info("user", kind, [1, _SIDE]),
                helper.make_tensor_value_info("items", kind, ["n", _SIDE]),
            ],
            [helper.make_tensor_value_info("scores", kind, ["n", 1])],
            [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


CONTESTANTS: Final[Mapping[str, Callable[[ModelDefinition], Contestant]]] = {
    "C++ core": Core,
    "onnxruntime": OnnxRuntime,
    "LiteRT": LiteRT,
    "NumPy": Numpy,
    "TensorFlow": TensorFlow,
}
