"""Training material made from what Debian ships: composed songs, rendered performances, game music."""
