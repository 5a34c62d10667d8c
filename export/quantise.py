"""Weights of 8 bits: a file a quarter as large, whose sums ONNX Runtime does in integers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic


def quantise(path: Path) -> None:
    """Replace the weights of all matrix products and LSTMs in a file by 8-bit ones; the metadata stays.

    They are unsigned: with signed ones the sums of two products overflow on processors without VNNI.
    """
    metadata = onnx.load(str(path)).metadata_props
    with _quiet():
        quantize_dynamic(str(path), str(path), weight_type=QuantType.QUInt8)
    graph = onnx.load(str(path))
    del graph.metadata_props[:]
    graph.metadata_props.extend(metadata)
    onnx.save(graph, str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the hint to run a simplifier first, which needs a package more and changed nothing."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
