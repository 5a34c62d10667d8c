"""Signal processing, independent of models, devices and files."""
