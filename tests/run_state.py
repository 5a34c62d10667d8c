"""What two training runs left behind, compared."""

import torch


def assert_same_run(first, second, steps):
    first, second = (torch.load(folder / "state.pt", weights_only=True) for folder in (first, second))
    assert first["progress"]["step"] == second["progress"]["step"] == steps
    for kind in ("weights", "averaged"):
        for name, values in first[kind].items():
            assert torch.equal(values, second[kind][name]), (kind, name)
