"""Record the input, the mix and the stems to files while the engine plays."""
