"""Streaming separation in numpy and ONNX Runtime: framing, session, separator, mixer. No torch, no Qt."""
