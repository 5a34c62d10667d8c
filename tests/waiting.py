"""Waits for what another thread or process does, and says what did not come."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], what: str, *, patience_s: float = 60.0, pause_s: float = 0.005) -> None:
    """Returns as soon as `true()`, asked every `pause_s`, is; fails with `what` after `patience_s`."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, f"waited {patience_s} s for {what}"
        time.sleep(pause_s)
