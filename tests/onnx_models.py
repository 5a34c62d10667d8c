"""Tiny models that keep the ONNX contract, made without torch, with a state that matters."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STEMS = ("vocals", "drums", "bass", "other")
SMOOTHING = 0.75


def metadata(
    framing: tuple[int, int, int] = (128, 64, 32), stems: tuple[str, ...] = STEMS, sample_rate_hz: int = 44100
) -> dict[str, Any]:
    """Return the `stemlive` object of a model file, to be written as it is or with a fault put in."""
    bins = framing[0] // 2 + 1
    return {
        "sample_rate_hz": sample_rate_hz,
        "preset": "live",
        "analysis_samples": framing[0],
        "synthesis_samples": framing[1],
        "hop_samples": framing[2],
        "channels": 2,
        "stems": list(stems),
        "state": [{"name": "h", "shape": [1, bins]}, {"name": "seen", "shape": [1]}],
        "parameters": 1,
        "config": {"feature_dim": 1},
        "provenance": {"steps": 0},
        "licence": "MIT",
        "card": {
            "name": "one pole",
            "description": "splits each bin by how steady it is",
            "training_data": [{"source": "none", "licence": "MIT"}],
            "hours": 0.0,
            "scores": {},
        },
    }


def write_model(
    path: Path,
    info: dict[str, Any] | None = None,
    *,
    format_version: str | None = "1",
    info_text: str | None = None,
    rename: dict[str, str] | None = None,
    frames_shape: list[Any] | None = None,
    trailing_bins: int = 0,
    gain: float = 1.0,
) -> Path:
    """Write a model; the arguments after `info` put faults in.

    The graph smooths each bin's power over time with one pole (the state `h`) and shares the frame out by the
    ratio of smoothed to present power; `seen` counts frames. With four stems the last takes what is left over.
    """
    info = copy.deepcopy(info) if info is not None else metadata()
    bins = info["analysis_samples"] // 2 + 1
    stems = max(1, len(info["stems"]))
    shares = np.linspace(0.2, 0.5, stems, dtype=np.float32) / max(1, stems - 1)
    complete = stems == len(STEMS)
    weights = shares[: stems - 1] if complete else shares

    def constant(name: str, value: Any) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(value), name)

    body = helper.make_graph(
        [
            helper.make_node("Mul", ["h_in", "keep"], ["kept"]),
            helper.make_node("Mul", ["power_t", "take"], ["taken"]),
            helper.make_node("Add", ["kept", "taken"], ["h_out"]),
            helper.make_node("Identity", ["h_out"], ["smooth_t"]),
        ],
        "one_pole",
        [_value("h_in", [1, bins]), _value("power_t", [1, bins])],
        [_value("h_out", [1, bins]), _value("smooth_t", [1, bins])],
        [constant("keep", np.float32(SMOOTHING)), constant("take", np.float32(1 - SMOOTHING))],
    )
    nodes = [
        helper.make_node("Mul", ["frames", "frames"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "axes_c"], ["power_btf"], keepdims=0),
        helper.make_node("Transpose", ["power_btf"], ["power"], perm=[1, 0, 2]),
        helper.make_node("Scan", ["h", "power"], ["new_h", "smooth"], body=body, num_scan_inputs=1),
        helper.make_node("Add", ["power", "smooth"], ["both"]),
        helper.make_node("Add", ["both", "tiny"], ["below"]),
        helper.make_node("Div", ["smooth", "below"], ["ratio"]),
        helper.make_node("Reshape", ["ratio", "shape_mask"], ["mask"]),
        helper.make_node("Mul", ["mask", "weights"], ["masks"]),
        helper.make_node("Unsqueeze", ["frames", "axis_s"], ["framed"]),
        helper.make_node("Mul", ["framed", "masks"], ["parts"]),
        helper.make_node("ReduceSum", ["parts", "axis_s"], ["sum"], keepdims=1),
        helper.make_node("Sub", ["framed", "sum"], ["left"]),
        helper.make_node("Concat", ["parts", "left"] if complete else ["parts"], ["split"], axis=1),
        helper.make_node("Mul", ["split", "gain"], ["louder"]),
        helper.make_node("Shape", ["frames"], ["frames_now"], start=1, end=2),
        helper.make_node("Cast", ["frames_now"], ["seen_now"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["seen", "seen_now"], ["new_seen"]),
        # Pads that depend on the state hide the true output shape from ONNX Runtime until the model runs.
        helper.make_node("Sign", ["new_seen"], ["sign"]),
        helper.make_node("Cast", ["sign"], ["whether"], to=TensorProto.INT64),
        helper.make_node("Mul", ["pads", "whether"], ["padding"]),
        helper.make_node("Pad", ["louder", "padding"], ["stems"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [_value("frames", frames_shape or [1, "T", bins, 2, 2]), _value("h", [1, bins]), _value("seen", [1])],
        [_value("stems", [1, stems, "T", "F", 2, 2]), _value("new_h", [1, bins]), _value("new_seen", [1])],
        [
            constant("axes_c", np.array([3, 4])),
            constant("axis_s", np.array([1])),
            constant("tiny", np.float32(1e-12)),
            constant("shape_mask", np.array([1, 1, -1, bins, 1, 1])),
            constant("weights", weights.reshape(1, -1, 1, 1, 1, 1)),
            constant("gain", np.float32(gain)),
            constant("pads", np.array([0] * 9 + [trailing_bins] + [0] * 2)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for old, new in (rename or {}).items():
        _rename(model.graph, old, new)
    if format_version is not None:
        model.metadata_props.add(key="stemlive_format", value=format_version)
    model.metadata_props.add(key="stemlive", value=info_text if info_text is not None else json.dumps(info))
    onnx.save(model, str(path))
    return path


def _value(name: str, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for value in [*graph.input, *graph.output]:
        if value.name == old:
            value.name = new
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]


def write_split_model(path: Path, above_hz: float) -> Path:
    """Write a model that hears as vocals whatever is above a frequency, and as drums the rest."""
    info = metadata((2048, 1024, 512))
    bins = info["analysis_samples"] // 2 + 1
    high = np.arange(bins) * info["sample_rate_hz"] / info["analysis_samples"] > above_hz
    masks = np.zeros((1, 4, 1, bins, 1, 1), np.float32)
    masks[0, 0, 0, high], masks[0, 1, 0, ~high] = 1, 1
    graph = helper.make_graph(
        [
            helper.make_node("Unsqueeze", ["frames", "axis_s"], ["framed"]),
            helper.make_node("Mul", ["framed", "masks"], ["stems"]),
            helper.make_node("Add", ["h", "one"], ["new_h"]),
            helper.make_node("Add", ["seen", "one"], ["new_seen"]),
        ],
        "split",
        [_value("frames", [1, "T", bins, 2, 2]), _value("h", [1, bins]), _value("seen", [1])],
        [_value("stems", [1, 4, "T", "F", 2, 2]), _value("new_h", [1, bins]), _value("new_seen", [1])],
        [
            numpy_helper.from_array(np.array([1]), "axis_s"),
            numpy_helper.from_array(masks, "masks"),
            numpy_helper.from_array(np.ones(1, np.float32), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="stemlive_format", value="1")
    model.metadata_props.add(key="stemlive", value=json.dumps(info))
    onnx.save(model, str(path))
    return path
