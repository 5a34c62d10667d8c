"""One module per sub-command of `stemlive`, each with a click command named `command`."""
