"""A tiny text-to-speech model with the inputs and the inner names of Kokoro: what is heard is the pitch it is given."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from stemlive.training.corpus import singers_kokoro_song

SIGNS = {sign: number for number, sign in enumerate("pbtdkɡfvszʃʒθðhmnlɹjwʧʤiɪAɛæɑɔOʊuʌəIWɜYŋˈ ,.", 1)}
PITCH_HZ, VOICE_LEVEL = 120.0, 0.25
UNIT, _HALF = 600, 300  # samples


def tiny_model() -> onnx.ModelProto:
    """Every sign lasts 3 units; each unit's feature is its sign's number; the sound is pitch times level."""
    song = singers_kokoro_song

    def constant(name: str, value: object, kind: int = TensorProto.INT64) -> onnx.NodeProto:
        array = np.array(value, np.int64 if kind == TensorProto.INT64 else np.float32)
        return helper.make_node(
            "Constant", [], [name], value=helper.make_tensor(name, kind, array.shape, array.ravel())
        )

    def node(kind: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
        return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)

    nodes = [
        constant("three", [3]),
        constant("zero", [0]),
        constant("two", [2]),
        constant("half", [1, 1, _HALF]),
        constant("wide", [1, 512, 1]),
        constant("flat", [-1]),
        constant("pitch", [PITCH_HZ], TensorProto.FLOAT),
        node("Squeeze", "tokens zero", "signs"),
        node("Mul", "signs zero", "nothing"),
        node("Add", "nothing three", song._LENGTHS),
        # each unit's sign: as many signs end before it as its number says
        node("CumSum", f"{song._LENGTHS} zero1", "ends"),
        node("ReduceSum", f"{song._LENGTHS}", "count", keepdims=0),
        node("Range", "zero1 count one1", "units"),
        node("Unsqueeze", "units one", "column"),
        node("Unsqueeze", "ends zero", "row"),
        node("GreaterOrEqual", "column row", "over"),
        node("Cast", "over", "over_one", to=TensorProto.INT64),
        node("ReduceSum", "over_one one", "place", keepdims=0),
        node("Gather", "signs place", "sign"),
        node("Cast", "sign", "sign_float", to=TensorProto.FLOAT),
        node("Unsqueeze", "sign_float zero_one", "feature"),
        node("Expand", "feature wide", song._FEATURES),
        node("Shape", "units", "length"),
        node("Mul", "length two", "halves"),
        node("Concat", "one halves", "halves_shape", axis=0),
        node("Expand", "pitch halves_shape", song._PITCH),
        node("Mul", f"{song._PITCH} zero_float", song._LOUDNESS),
        node("ReduceMean", "style", "level", axes=[1], keepdims=1),
        node("Mul", f"{song._PITCH} level", "scaled"),
        node("Exp", song._LOUDNESS, "gain"),
        node("Mul", "scaled gain", "heard"),
        node("Unsqueeze", "heard two", "deep"),
        node("Expand", "deep half", "filled"),
        node("Reshape", "filled flat", "audio"),
    ]
    nodes[:0] = [
        constant("zero1", 0),
        constant("one1", 1),
        constant("one", [1]),
        constant("zero_one", [0, 1]),
        constant("zero_float", [0.0], TensorProto.FLOAT),
    ]
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, None]),
        helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, [helper.make_tensor_value_info("audio", TensorProto.FLOAT, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
