"""What the engine and its front ends both read: settings, shared memory, snapshots, the heartbeat."""
