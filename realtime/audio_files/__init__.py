"""Read and write sound files, pipes and raw PCM."""
