"""The desktop window: mixes stems by hand and eye. It draws and asks; the engine sounds, in a process of its own."""
