"""What makes a file small: large weights in 16 bits or fewer, and short names."""

import copy

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from stemlive.model.bsrnn import BSRNN
from stemlive.model.onnx_weights import MOST, PREFIX, SCALE

Weights = npt.NDArray[np.float32]

FEWEST = 1024  # numbers in a tensor that is stored in fewer bits; smaller ones and biases keep 32


def rounded(model: BSRNN, bits: int) -> BSRNN:
    """Return a copy of the model whose large weights are what comes back from 16, 8 or 5 bits (float32 again)."""
    result = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in result.named_parameters():
            if _is_large(name, parameter.numel()):
                values = parameter.numpy()
                whole = parameter.half() if bits == 16 else torch.from_numpy(np.multiply(*in_bytes(values, bits)))
                parameter.copy_(whole)
    return result


def in_bytes(values: Weights, bits: int) -> tuple[npt.NDArray[np.int8], Weights]:
    """Return whole numbers, int8, up to MOST[bits], and the scales, one for each number that comes out of a product.

    Linear layers hold `[out, in]`, those of each band `[..., in, out]`; the scales have 1 in place of `in`. Their
    product is nearest to the values. Scales have 16 significant bits, so that products are exact, and what is stored
    again stays as it is.
    """
    inputs = -1 if values.ndim == 2 else -2
    most = np.float32(MOST[bits])
    scales = np.maximum(np.abs(values).max(inputs, keepdims=True) / most, np.finfo(np.float32).tiny)
    scales = ((scales.view(np.uint32) + np.uint32(0xFF)) & np.uint32(0xFFFFFF00)).view(np.float32)  # upwards
    return np.rint(values / scales).astype(np.int8), scales


def store(graph: onnx.GraphProto, bits: int) -> None:
    """Replace the large weights of a graph by ones of fewer bits and the same name, and nodes that make 32 of them.

    Scales are initialisers of their own, named by SCALE. Those of 5 bits take 8, until `pack_threes` packs them.
    """
    nodes, scales = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or not _is_large(tensor.name.removeprefix(PREFIX), values.size):
            continue
        name, whole = tensor.name, _whole(tensor.name)
        if bits == 16:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name))
            nodes.append(helper.make_node("Cast", [name], [whole], to=TensorProto.FLOAT))
            continue
        numbers, scale = in_bytes(values, bits)
        tensor.CopyFrom(numpy_helper.from_array(numbers, name))
        scales.append(numpy_helper.from_array(scale, SCALE + name))
        nodes.append(helper.make_node("Cast", [name], [f"{name}.numbers"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}.numbers", SCALE + name], [whole]))
    graph.initializer.extend(scales)
    names = {node.input[0] for node in nodes if node.op_type == "Cast"}
    for node in graph.node:
        node.input[:] = [_whole(name) if name in names else name for name in node.input]
    nodes = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _is_large(name: str, numbers: int) -> bool:
    return numbers >= FEWEST and "bias" not in name


def _whole(name: str) -> str:
    return f"{name}.float32"


def shorten_names(graph: onnx.GraphProto) -> None:
    """Number the values between the nodes, whose long names from the tracer nothing needs, and leave out the nodes'."""
    kept = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    made = dict.fromkeys(name for node in graph.node for name in node.output if name and name not in kept)
    _rename(graph, {name: f"v{number}" for number, name in enumerate(made)})
    graph.ClearField("value_info")


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        node.ClearField("name")
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
        for attribute in node.attribute:
            _rename(attribute.g, names)  # a branch takes values from outside
