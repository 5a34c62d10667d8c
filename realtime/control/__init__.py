"""Steer a running engine: gains, key, position in a song; by hand, by OSC, by MIDI."""
