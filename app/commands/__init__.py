"""One module for each sub-command of `stemlive`; each holds a click command of the name `command`."""
