"""The desktop window: mixes stems by hand and eye (issue of its own; nothing here yet)."""
