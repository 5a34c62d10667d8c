"""The terminal of a live run: keys, status line, and stopping on signals."""
