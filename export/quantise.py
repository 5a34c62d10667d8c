"""Compute the matrix products of a stored graph in integers of 8 bits, in which its weights are stored already.

A hop then reads a quarter of the memory, which is most of its time (`training/README.md`, "The lineage", **Speed**).
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stemlive.model.onnx_weights import MIDDLES, PREFIX, SCALE

_MIDDLE_NAME = "middle"


def compute_in_integers(graph: onnx.GraphProto, bits: int) -> None:
    """Replace products with weights that `store` left in `bits`, 8 or 5, by ones of integers, and what made 32 of them.

    What comes in is rounded to 8 bits, too, by its least and greatest number at the time. Weights become unsigned,
    MIDDLES[bits] more than they are: with signed ones, the sum of two products overflows on processors without VNNI.
    """
    made = {node.output[0]: node for node in graph.node}
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    stored = {name: tensor for name, tensor in tensors.items() if SCALE + name in tensors}
    nodes: list[onnx.NodeProto] = []
    rounded: set[str] = set()
    unsigned: set[str] = set()
    for node in graph.node:
        name, turned = _weight(node, made)
        if name not in stored:
            nodes.append(node)
            continue
        heard, out = node.input[0], node.output[0]
        if heard not in rounded:
            rounded.add(heard)
            parts = [f"{heard}.numbers", f"{heard}.scale", f"{heard}.zero"]
            nodes.append(helper.make_node("DynamicQuantizeLinear", [heard], parts))
        weight, scale = name, SCALE + name
        if turned:
            weight, scale = f"{name}.turned", f"{SCALE}{name}.turned"
            if name not in unsigned:
                nodes += [
                    helper.make_node("Transpose", [n], [f"{n}.turned"], perm=[1, 0]) for n in (name, SCALE + name)
                ]
        unsigned.add(name)
        nodes += [
            helper.make_node(
                "MatMulInteger", [f"{heard}.numbers", weight, f"{heard}.zero", _MIDDLE_NAME], [f"{out}.sum"]
            ),
            helper.make_node("Cast", [f"{out}.sum"], [f"{out}.float32"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{heard}.scale", scale], [f"{out}.scale"]),
            helper.make_node("Mul", [f"{out}.float32", f"{out}.scale"], [out]),
        ]
    for name in unsigned:
        numbers = numpy_helper.to_array(stored[name]).astype(np.int16) + MIDDLES[bits]
        stored[name].CopyFrom(numpy_helper.from_array(numbers.astype(np.uint8), name))
    graph.initializer.append(numpy_helper.from_array(np.array(MIDDLES[bits], np.uint8), _MIDDLE_NAME))
    _keep_what_is_used(graph, nodes)


def _weight(node: onnx.NodeProto, made: dict[str, onnx.NodeProto]) -> tuple[str, bool]:
    """Name of the stored weight that a product is with, and whether it is turned before; or an empty name."""
    source = made.get(node.input[1]) if node.op_type == "MatMul" else None
    turned = source is not None and source.op_type == "Transpose"
    if source is not None and turned:
        source = made.get(source.input[0])
    if source is None or source.op_type != "Mul" or not source.input[1].startswith(SCALE + PREFIX):
        return "", False
    return source.input[1].removeprefix(SCALE), turned


def _keep_what_is_used(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Set the nodes of a graph, in their order, but for those that nothing hears."""
    heard = {value.name for value in graph.output}
    kept = []
    for node in reversed(nodes):
        if heard.intersection(node.output):
            kept.append(node)
            heard.update(node.input, *(_inner(attribute.g) for attribute in node.attribute))
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _inner(graph: onnx.GraphProto) -> set[str]:
    """What the nodes of a graph inside a node hear, some of it from outside."""
    return {name for node in graph.node for name in node.input}
