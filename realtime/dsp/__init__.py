"""Signal processing that knows nothing of models, devices or files."""
