"""Calls that may hang are waited for only so long."""

import threading

import pytest
from waiting import wait_until

from stemlive.errors import DeviceError
from stemlive.realtime.shared.limited import LimitedCalls


def test_what_comes_in_time_is_returned_or_raised():
    calls = LimitedCalls("test", "the library")
    assert calls.call(lambda: threading.current_thread().name) == "test"
    with pytest.raises(KeyError, match="no"):
        calls.call(lambda: {}["no"])
    with pytest.raises(TimeoutError, match="its own"):
        calls.call(lambda: (_ for _ in ()).throw(TimeoutError("its own")))
    assert calls.call(lambda: 3) == 3
    calls.close()


def test_what_hangs_is_an_error_and_so_is_every_call_until_it_returns():
    calls, gate = LimitedCalls("test", "the library"), threading.Event()
    with pytest.raises(DeviceError, match="the library has not answered for 3 s"):
        calls.call(gate.wait, 0.05)
    assert calls.hang
    with pytest.raises(DeviceError, match="the library has not answered"):
        calls.call(lambda: 3)
    gate.set()
    wait_until(lambda: not calls.hang, "the call to return")
    assert calls.call(lambda: 3) == 3
    calls.close()
