"""The causal Band-Split RNN in torch: configuration, bands, framing, network, state, checkpoints."""
