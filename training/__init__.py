"""Training: data, augmentation, losses, loop, evaluation."""
