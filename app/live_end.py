"""How a live run has ended, for its user."""

from typing import TYPE_CHECKING

from stemlive.errors import DeviceError, StemliveError
from stemlive.options import warn

if TYPE_CHECKING:
    from stemlive.realtime.devices.system_audio import SystemAudio
    from stemlive.realtime.shared.snapshot import Snapshot

_SLOW_SHARE = 0.02


def raise_the_cause(last: "Snapshot", system: "SystemAudio | None") -> None:
    """Raise what ended the run, unless somebody asked for its end."""
    if system is not None and system.problem:
        raise DeviceError(system.problem)
    if last.state.label == "device lost":
        raise DeviceError(f"{last.message}: plug it in again, or let --reconnect wait for it")
    if last.state.label == "failed":
        raise StemliveError(last.message)


def report(last: "Snapshot", *, quiet: bool) -> None:
    """Warn of what went wrong, and say what helps."""
    if last.bad_samples:
        warn(f"{last.bad_samples} input samples were NaN, infinite or far too loud: replaced")
    if last.bad_frames:
        warn(f"the model failed on {last.bad_frames} frames, which were passed on unseparated")
    if last.restarts:
        warn(f"the engine's process was started again {last.restarts} times")
    if not last.dropouts or quiet:
        return
    advice = ""
    if last.late_hops > _SLOW_SHARE * max(1, last.hops):
        advice = ": this machine is too slow or too busy; take a smaller model, a larger --block or --latency high"
    warn(
        f"{last.late_hops} of {last.hops} hops came late and were heard unseparated, "
        f"{last.input_overflows} times input was lost, {last.output_underflows} times output was missing{advice}"
    )
