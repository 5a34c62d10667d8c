"""Store weights in 16 bits: half the size. ONNX Runtime converts them back to 32 bits when it loads the file."""

import copy

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from stemlive.model.bsrnn import BSRNN
from stemlive.model.onnx_weights import PREFIX

FEWEST = 1024  # numbers in a tensor that is stored in 16 bits; smaller ones and biases keep 32


def rounded(model: BSRNN) -> BSRNN:
    """Return a copy of the model whose large weights are rounded to 16 bits (and are float32 again)."""
    result = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in result.named_parameters():
            if _is_large(name, parameter.numel()):
                parameter.copy_(parameter.half())
    return result


def store_halves(graph: onnx.GraphProto) -> None:
    """Replace the large weights of a graph by float16 ones of the same name, each followed by a Cast to float32."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and _is_large(tensor.name.removeprefix(PREFIX), values.size):
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
            casts.append(helper.make_node("Cast", [tensor.name], [_whole(tensor.name)], to=TensorProto.FLOAT))
    names = {cast.input[0] for cast in casts}
    for node in graph.node:
        node.input[:] = [_whole(name) if name in names else name for name in node.input]
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _is_large(name: str, numbers: int) -> bool:
    return numbers >= FEWEST and "bias" not in name


def _whole(name: str) -> str:
    return f"{name}.float32"
