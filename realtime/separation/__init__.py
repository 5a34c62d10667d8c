"""Separate a stream of samples into stems: analysis, model, gains, synthesis; in blocks or a whole file."""
