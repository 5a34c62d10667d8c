"""Connect source, worker and target and run them until one ends: one session of the devices."""

import math
from collections.abc import Iterator
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from stemlive.errors import DeviceError
from stemlive.realtime.devices.device import RingSource
from stemlive.realtime.devices.drift import DriftSource
from stemlive.realtime.devices.file_device import FileSource
from stemlive.realtime.devices.open_devices import Microphone, open_ends
from stemlive.realtime.devices.song_source import SongSource
from stemlive.realtime.dsp.key_change import KeyChange
from stemlive.realtime.engine.heard_clock import HeardClock
from stemlive.realtime.engine.howling_guard import HowlingGuard
from stemlive.realtime.engine.inline_worker import InlineWorker
from stemlive.realtime.engine.microphone import LONGEST_MICROPHONE_BLOCK, MicrophoneStrip, MicrophoneWorker
from stemlive.realtime.engine.output_delay import OutputDelay
from stemlive.realtime.engine.pace import Pace
from stemlive.realtime.engine.path import LivePath
from stemlive.realtime.engine.playout import Playout
from stemlive.realtime.engine.telemetry import Report
from stemlive.realtime.engine.worker import LONGEST_BLOCK, LiveWorker, longest_write
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.recording.tap import Tap
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Latency, State

FloatArray = NDArray[np.float32]

_RESTING_POLL_S = 0.05
_FILE_AHEAD_HOPS = 4


class LiveRun:
    """Devices or files and the worker between them; all of it runs when the constructor returns.

    Use it from one thread. DeviceError, AudioFileError and UsageError when something cannot be opened.
    """

    def __init__(
        self, settings: EngineSettings, session: Session, memory: EngineMemory, taps: tuple[Tap, ...] = ()
    ) -> None:
        self._settings, self._session, self._memory = settings, session, memory
        self._begun_taps: list[Tap] = []
        self._inline: InlineWorker | None = None
        self._began = False
        """Whether `step` was called. In mode inline the callback computes from then on, and is the one to publish."""
        self._note, self._microphone_samples = "", 0
        self._guard: HowlingGuard | None = None
        self._worker: LiveWorker | None = None
        self._strip: MicrophoneStrip | None = None
        self._microphone_worker: MicrophoneWorker | None = None
        info = session.info
        self._ends = open_ends(
            settings, info.sample_rate_hz, info.hop_samples, self._process, self._mix_microphone, memory
        )
        try:
            self._delay = OutputDelay(self._ends.target)
            self._pace = Pace(self._ends, info)
            for device in self._ends.devices:
                device.start()
            self._pace.wait()
            self._wire(taps)
            if self._ends.microphone is not None:
                self._wire_microphone(self._ends.microphone)
            # Faults during start-up were not audible, and do not count.
            for device in self._ends.devices:
                device.refresh()
            self._counted_before = self._counted()
        except BaseException:
            self.close()
            raise
        self._working_poll_s = self._portion_poll_s()

    def step(self) -> bool:
        """Do the waiting work; return whether there was any. Call it in a loop."""
        if not self._began:
            self._began = True
            if self._worker is not None:
                self._begin(self._worker)
        if self._worker is None:
            return False
        self._heard.look(self._output.read, monotonic())
        worked = self._worker.step()
        if self._ends.file is not None:
            self._ends.file.complete_to = self._worker.complete_to
        return worked

    @property
    def poll_s(self) -> float:
        """Time to sleep when `step` finds no work."""
        resting = self._worker is not None and self._worker.resting
        return _RESTING_POLL_S if resting else self._working_poll_s

    def _portion_poll_s(self) -> float:
        return min(0.001, max(device.block_samples for device in self._ends.devices) / self._ends.sample_rate_hz / 8)

    def watch(self) -> State:
        """Check the devices, every 20 ms, and return the state. DeviceError or AudioFileError when one failed."""
        devices, faults = self._ends.devices, self._report.faults
        if self._memory.parameters["key"]:
            self._key.prepare_aside()
        for device in devices:
            device.refresh()
            if device.problem:
                raise device.error if device.error is not None else DeviceError(device.problem)
        overflows, underflows = self._counted()
        if self._worker is not None and self._worker.resting and self._ends.microphone is None:
            # Nothing sounds, so nothing is missed.
            self._counted_before = (overflows - faults.input_overflows, underflows - faults.output_underflows)
        faults.input_overflows = overflows - self._counted_before[0]
        faults.output_underflows = underflows - self._counted_before[1]
        delays = [device.faults.worst_callback_s for device in devices]
        faults.worst_callback_s = max((delay for delay in delays if not math.isnan(delay)), default=math.nan)
        if self._worker is not None:
            self._delay.look(self._heard)
            self._memory.telemetry["latency"][-3] = self._delay.samples
        self._tell_microphone()
        self._memory.set_trouble("; ".join(self._troubles()))
        source = self._ends.source
        if isinstance(source, FileSource) and source.note != self._note:
            self._note = source.note
            self._memory.set_note(self._note)
        if isinstance(source, SongSource) and self._worker is not None:
            if source.jumped(self._worker.taken):
                self._path.forget()
            self._tell_place(source, self._worker)
            if self._settings.ends_with_song and self._memory.telemetry["song_ended"]:
                return State.FINISHED
        if isinstance(source, FileSource) and self._worker is not None and source.end is not None:
            return State.FINISHED if self._worker.played_input >= source.end else State.RUNNING
        return State.RUNNING

    def _tell_place(self, source: SongSource, worker: LiveWorker) -> None:
        """Tell where the song is heard now: all that delays it between the engine and the ear is taken off here."""
        now_s = monotonic()
        self._heard.look(self._output.read, now_s)
        left = worker.input_at(self._heard.played(now_s) - self._delay.samples)
        source.tell(left, now_s, later=self._report.sync_samples)
        self._memory.publish()  # a device with a long period would let readers wait

    def _troubles(self) -> Iterator[str]:
        """Yield what has failed while the sound goes on."""
        if self._microphone_worker is not None and self._microphone_worker.problem:
            yield f"the microphone is not heard any more: {self._microphone_worker.problem}"
        if self._guard is not None and self._guard.trouble:
            yield self._guard.trouble
        if self._key.problem:
            yield f"the key cannot be changed: {self._key.problem}"
        for device in self._ends.devices:
            if device.faults.exception:
                yield f"the audio callback failed: {device.faults.exception}"

    def finish(self) -> None:
        """Complete an output file with everything that was read from the input, and nothing after it."""
        if self._ends.file is not None and self._worker is not None:
            end = self._worker.taken_to
            self._worker.flush()
            self._ends.file.complete_to = end
            self._ends.file.finish()

    def close(self) -> None:
        """Release everything. A file that `finish` did not complete is discarded."""
        for thread in (self._guard, self._microphone_worker):
            if thread is not None:
                thread.close()
        self._ends.close()
        while self._begun_taps:
            self._begun_taps.pop().end()

    def _begin(self, worker: LiveWorker) -> None:
        """Drop the input so far, and start with what comes in from now on."""
        ends = self._ends
        assert ends.target.output is not None
        dropped = 0 if isinstance(ends.source, FileSource) else self._source.drop()
        worker.begin(dropped if ends.source is ends.target else ends.target.output.read)

    def _counted(self) -> tuple[int, int]:
        """Input overflows and output underflows of all devices since they were opened."""
        faults = [device.faults for device in self._ends.devices]
        return sum(f.input_overflows for f in faults), sum(f.output_underflows for f in faults)

    def _process(self, indata: FloatArray, outdata: FloatArray) -> None:
        """Fill a block on the device's thread; silence until the first `step`."""
        if self._inline is None or not self._began:
            outdata[:] = 0
        else:
            self._inline.process(indata, outdata)

    def _mix_microphone(self, indata: FloatArray, outdata: FloatArray) -> None:
        """Add the microphone to a block on the device's thread, once everything is connected."""
        if self._strip is not None:
            self._strip.add_to(indata, outdata)

    def _wire_microphone(self, microphone: Microphone) -> None:
        """Connect the microphone: in the target's callback, or through a thread."""
        target, host, rate_hz = self._ends.target, microphone.device, self._ends.sample_rate_hz
        assert target.output is not None
        places = self._settings.outputs.of_microphone
        if not self._settings.outputs.given:
            places = (tuple(range(1, target.output.memory.channels + 1)),)
        strip = MicrophoneStrip(self._memory, rate_hz, places=places)
        delay = round(host.latency_samples[0] * rate_hz / host.sample_rate_hz)
        if microphone.direct:
            self._strip = strip
        else:
            ring = self._ends.microphone_output
            one_clock = host is target
            source: RingSource | DriftSource = RingSource(microphone.ring)
            if not one_clock:
                source = DriftSource(microphone.ring, rate_hz / host.sample_rate_hz, rate_hz)
            inside = self._pace.microphone_samples(host, source)
            self._microphone_worker = MicrophoneWorker(
                strip,
                source,
                Playout(ring, LONGEST_MICROPHONE_BLOCK // 4),
                self._memory,
                inside_samples=inside,
                one_clock=one_clock,
            )
            delay += inside
            self._microphone_worker.start(self._portion_poll_s())
        self._microphone_samples, self._guard = delay, strip.guard
        strip.guard.start()
        self._tell_microphone()

    def _tell_microphone(self) -> None:
        if self._ends.microphone is not None:
            delay = self._microphone_samples + self._delay.samples + self._report.sync_samples
            self._memory.telemetry["microphone_samples"] = max(1, delay)

    def _wire(self, taps: tuple[Tap, ...]) -> None:
        ends = self._ends
        rate_hz = ends.sample_rate_hz
        assert ends.source.input is not None
        assert ends.target.output is not None
        inputs, outputs = ends.source.input.memory.channels, ends.target.output.memory.channels
        path = LivePath(
            self._session,
            sample_rate_hz=rate_hz,
            channels=inputs,
            block_samples=max(LONGEST_BLOCK, ends.target.block_samples),
            with_stems=self._settings.stem_levels or any(tap.wants_stems for tap in taps),
            outputs=self._settings.outputs,
        )
        path.warm_up()
        self._path = path
        for tap in taps:
            tap.begin(rate_hz, inputs, path.stems)
            self._begun_taps.append(tap)
        device_in, device_out = ends.source.latency_samples[0], self._delay.samples
        # An output file stays aligned with its input, whatever the key.
        self._key = KeyChange(rate_hz, path.heard_channels, longest_write(path), compensated=ends.file is not None)
        if self._memory.parameters["key"]:
            self._key.prepare()
        self._report = Report(
            self._memory, path, sample_rate_hz=rate_hz, longest_block=longest_write(path), outputs=outputs
        )
        self._memory.set_stems(path.stems)
        if ends.mode == "inline":
            inside = path.behind_samples - self._pace.early_samples
            path.delay(inside)
            self._tell(rate_hz, device_in, path.behind_samples, inside - path.behind_samples, device_out)
            self._inline = InlineWorker(
                path, self._report, self._key, inside_samples=inside, sample_rate_hz=rate_hz, taps=taps
            )
            return
        ring = ends.source.input
        playout = Playout(ends.target.output, longest_write(path))
        source: RingSource | DriftSource = RingSource(ring)
        ahead, extra = None, 0
        if ends.file is not None:
            inside = 0
        else:
            if ends.drifts:
                source = DriftSource(ring, rate_hz / ends.source.sample_rate_hz, rate_hz)
            queue = self._pace.queue_samples(path.hop_samples, source)
            if isinstance(ends.source, FileSource):
                ahead = extra = _FILE_AHEAD_HOPS * path.hop_samples
            least = device_in + path.behind_samples + queue + extra + device_out + self._report.sync_samples
            queue += self._pace.spare_samples(self._settings.latency, path.hop_samples, least)
            inside = path.behind_samples + queue
        self._tell(rate_hz, device_in, path.behind_samples, inside - path.behind_samples + extra, device_out)
        self._worker = LiveWorker(
            path, source, playout, self._report, self._key, inside_samples=inside, ahead_samples=ahead, taps=taps
        )
        if isinstance(ends.source, SongSource):
            self._worker.idle = ends.source.idle
            self._worker.add_clicks = ends.source.clicks.add_to
        self._source, self._output, self._heard = source, ends.target.output, HeardClock(rate_hz)

    def _tell(self, rate_hz: int, device_in: int, framing: int, queue: int, device_out: int) -> None:
        key, sync = self._key.delay_at(self._report.semitones), self._report.sync_samples
        self._memory.set_latency(Latency(rate_hz, device_in, framing, queue, device_out, key, sync))
        self._memory.set_mode(self._ends.mode)
