"""The desktop window: a mixer for the stems. It draws and sends requests; the engine runs in a child process."""
