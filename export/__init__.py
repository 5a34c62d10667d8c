"""Export a torch checkpoint as an ONNX file that streams, verified against torch."""
