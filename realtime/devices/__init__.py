"""Sources and targets of sound: audio devices, files and pipes in real time, and the rings between threads."""
