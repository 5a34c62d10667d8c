"""From a torch checkpoint to an ONNX file that streams, with proof that both say the same."""
