"""Play a source through the model to a target: worker threads, playout, telemetry, the engine in a child process."""
