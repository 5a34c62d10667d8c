"""The console of a live run: keys, status line, an orderly stop."""
