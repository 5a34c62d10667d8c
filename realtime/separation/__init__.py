"""From a stream of samples to stems: analysis, the model, gains, synthesis; in blocks or a whole file."""
