"""Waits for what another thread or process does, and says what did not come."""

import time
from collections.abc import Callable

PATIENCE_S = 60.0  # a test that waits so long has failed, also on a busy machine


def wait_until(true: Callable[[], object], what: str, *, pause_s: float = 0.005) -> None:
    """Returns as soon as `true()`, asked every `pause_s`, is; fails with `what` after `PATIENCE_S`."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"waited {PATIENCE_S} s for {what}"
        time.sleep(pause_s)
