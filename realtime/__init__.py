"""Separate music while it plays, in numpy and ONNX Runtime: no torch, no Qt. A room imports only rooms below it."""
