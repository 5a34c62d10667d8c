"""Find, check and run a model file (ONNX)."""
