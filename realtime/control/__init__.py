"""Control a running engine: gains, key, position in a song; from a front end, OSC or MIDI."""
