"""The recurrence of model/recurrence.py in ONNX: torch writes it as an operator of its own, here it becomes a Scan."""

from typing import Any

import onnx
from onnx import TensorProto, helper
from torch.onnx.utils import register_custom_op_symbolic

from stemlive.model.recurrence import SCAN

DOMAIN, _, NAME = SCAN.partition("::")


def _symbolic(graph: Any, keep: Any, new: Any, before: Any) -> Any:
    return graph.op(SCAN, keep, new, before).setType(new.type())


register_custom_op_symbolic(SCAN, _symbolic, 1)


def write_scans(model: onnx.ModelProto) -> None:
    """Replace each operator SCAN by ONNX's Scan over `h = keep * h + new`; the number of frames stays open."""
    nodes = []
    for node in model.graph.node:
        if (node.domain, node.op_type) == (DOMAIN, NAME):
            keep, new, before = node.input
            state = f"{node.output[0]}_last"
            node = helper.make_node(  # noqa: PLW2901
                "Scan", [before, keep, new], [state, node.output[0]], num_scan_inputs=2, body=_step()
            )
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    imports = [opset for opset in model.opset_import if opset.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(imports)


def _step() -> onnx.GraphProto:
    """One frame: state `[rows, H]`, `keep` and `new` `[rows, H]` to the next state, twice: carried on and given out."""

    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "units"])

    nodes = [
        helper.make_node("Mul", ["keep", "state"], ["kept"]),
        helper.make_node("Add", ["kept", "new"], ["next"]),
        helper.make_node("Identity", ["next"], ["out"]),
    ]
    return helper.make_graph(
        nodes, "recurrence", [value("state"), value("keep"), value("new")], [value("next"), value("out")]
    )
