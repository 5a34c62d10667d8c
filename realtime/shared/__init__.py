"""Shared by the engine and its front ends: settings, shared memory, snapshots, the heartbeat."""
