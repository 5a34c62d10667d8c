"""The microphone: its room, its gain, and that it comes without waiting for the model."""

import gc
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from waiting import wait_until

from stemlive.errors import DeviceError, UsageError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.devices import callback_device, open_devices, portaudio
from stemlive.realtime.devices.catalogue import AudioDevice
from stemlive.realtime.devices.device import RingSource
from stemlive.realtime.devices.open_devices import Ends, open_ends
from stemlive.realtime.devices.ring import PlainInputRing, PlainOutputRing
from stemlive.realtime.dsp.reverb import Reverb
from stemlive.realtime.engine.microphone import LONGEST_MICROPHONE_BLOCK, MicrophoneStrip, MicrophoneWorker
from stemlive.realtime.engine.playout import FADE_SAMPLES, Playout
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings

RATE_HZ = 44100
BLOCK = 512


@pytest.fixture
def memory() -> EngineMemory:
    return EngineMemory.local()


@pytest.fixture
def controls(memory: EngineMemory) -> Controls:
    return Controls(("vocals", "drums"), memory)


def noise(samples: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal((samples, channels))).astype(np.float32)


class TestReverb:
    def response(self, rate_hz: int = RATE_HZ) -> np.ndarray:
        impulse = np.zeros(3 * rate_hz, np.float32)
        impulse[0] = 1
        out = np.zeros((len(impulse), 2), np.float32)
        Reverb(rate_hz).add_to(impulse, out)
        return out

    @pytest.mark.parametrize("rate_hz", [8000, 44100, 96000])
    def test_it_falls_by_sixty_decibels_in_about_the_time_it_says(self, rate_hz):
        energy = np.square(self.response(rate_hz)).sum(axis=1)[::-1].cumsum()[::-1]
        fall_db = 10 * np.log10(energy / energy[0] + 1e-12)
        # From -5 to -35 dB, twice: ISO 3382's T30. The low-pass makes it a little shorter than 1.6 s.
        seconds = 2 * (np.argmax(fall_db < -35) - np.argmax(fall_db < -5)) / rate_hz
        assert 0.7 < seconds < 1.7

    def test_first_comes_the_shortest_line_and_the_sides_differ(self):
        out = self.response()
        first = round(0.0297 * RATE_HZ)
        assert np.abs(out[:first]).max() < 1e-15
        assert abs(out[first, 0]) > 0.1
        assert abs(np.corrcoef(out[RATE_HZ // 4 : RATE_HZ].T)[0, 1]) < 0.2

    def test_how_it_is_cut_changes_nothing(self):
        sound = noise(20000)[:, 0]
        whole, pieces = np.zeros((20000, 2), np.float32), np.zeros((20000, 2), np.float32)
        Reverb(RATE_HZ).add_to(sound, whole)
        cut, at = Reverb(RATE_HZ), 0
        for size in [1, 2, 63, 511, 2000] * 100:
            cut.add_to(sound[at : at + size], pieces[at : at + size])
            at += size
        np.testing.assert_allclose(pieces, whole, atol=1e-6)

    def test_silence_dies_away_and_never_reaches_denormal_numbers(self):
        room = Reverb(RATE_HZ)
        out = np.zeros((BLOCK, 2), np.float32)
        room.add_to(noise(BLOCK)[:, 0], out)
        for _ in range(10 * RATE_HZ // BLOCK):
            out[:] = 0
            room.add_to(np.zeros(BLOCK, np.float32), out)
        assert 0 < np.abs(out).max() < 1e-9
        smallest = np.abs(room._memory[room._memory != 0]).min()
        assert smallest > np.finfo(np.float32).tiny


class TestStrip:
    def test_dry_at_unity_it_is_added_as_it_is_to_both_sides(self, memory, controls):
        strip, song = MicrophoneStrip(memory, RATE_HZ, places=((1, 2),)), noise(BLOCK, 2, seed=1)
        out, microphone = song.copy(), noise(BLOCK)
        strip.add_to(microphone, out)
        np.testing.assert_array_equal(out, song + microphone)
        assert memory.telemetry["microphone_peak"] == pytest.approx(np.abs(microphone).max())
        assert 0 < memory.telemetry["microphone_rms"] <= np.sqrt(np.square(microphone).mean())

    @pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 1), (2, 2), (1, 2)])
    def test_channels(self, memory, controls, inputs, outputs):
        controls.set_microphone_gain_db(-6)
        place = tuple(range(1, outputs + 1))
        strip, microphone = MicrophoneStrip(memory, RATE_HZ, places=(place,)), noise(BLOCK, inputs)
        out = np.zeros((BLOCK, outputs), np.float32)
        strip.add_to(microphone, out)
        expected = microphone if inputs == outputs else microphone.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(out, np.broadcast_to(10 ** (-6 / 20) * expected, out.shape), atol=1e-7)

    def test_a_change_of_gain_is_a_ramp(self, memory, controls):
        strip, ones = MicrophoneStrip(memory, RATE_HZ, places=((1,),)), np.ones((BLOCK, 1), np.float32)
        controls.set_microphone_gain_db(-np.inf)
        blocks = [np.zeros((BLOCK, 1), np.float32) for _ in range(3)]
        strip.add_to(ones, blocks[0])
        strip.add_to(ones, blocks[1])
        controls.set_microphone_gain_db(0)
        strip.add_to(ones, blocks[2])
        sound = np.concatenate([[1], *(block[:, 0] for block in blocks)])
        assert np.abs(np.diff(sound)).max() < 2.1 / BLOCK
        assert (blocks[1] == 0).all()

    def test_reverberation_comes_on_top_and_stops_when_turned_off(self, memory, controls):
        strip, silence = MicrophoneStrip(memory, RATE_HZ, places=((1, 2),)), np.zeros((BLOCK, 1), np.float32)
        controls.set_microphone_reverb(0.5)
        out = np.zeros((BLOCK, 2), np.float32)
        strip.add_to(noise(BLOCK), out)
        for _ in range(4):
            out[:] = 0
            strip.add_to(silence, out)
        assert np.abs(out).max() > 1e-3
        controls.set_microphone_reverb(0)
        strip.add_to(silence, out)
        out[:] = 0
        strip.add_to(silence, out)
        assert (out == 0).all()

    def test_garbage_does_not_stay_in_the_reverberation(self, memory, controls):
        controls.set_microphone_reverb(0.5)
        strip, damaged = MicrophoneStrip(memory, RATE_HZ, places=((1, 2),)), noise(BLOCK)
        damaged[3], damaged[4], damaged[5] = np.nan, np.inf, 1e30
        for block in (damaged, noise(BLOCK), noise(BLOCK)):
            out = np.zeros((BLOCK, 2), np.float32)
            strip.add_to(block, out)
            assert np.isfinite(out).all()

    def test_it_allocates_nothing(self, memory, controls):
        controls.set_microphone_reverb(0.3)
        strip, out, microphone = (
            MicrophoneStrip(memory, RATE_HZ, places=((1, 2),)),
            np.zeros((BLOCK, 2), np.float32),
            noise(BLOCK),
        )
        for _ in range(20):
            strip.add_to(microphone, out)
        gc.collect()
        tracemalloc.start()
        try:
            strip.add_to(microphone, out)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(100):
                strip.add_to(microphone, out)
            now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # What is left are views; a block is 2048 bytes.
        assert now - before < 1024
        assert peak - before < 2048


def worker_between(source, target, memory, *, inside_samples):
    return MicrophoneWorker(
        MicrophoneStrip(memory, RATE_HZ, places=((1, 2),)),
        RingSource(source),
        Playout(target, LONGEST_MICROPHONE_BLOCK // 4),
        memory,
        inside_samples=inside_samples,
        one_clock=True,
    )


class TestWorker:
    def test_it_comes_when_it_is_said_to_and_the_rest_is_silence(self, memory, controls):
        source, target = PlainInputRing(1 << 15, 1), PlainOutputRing(1 << 13, 2)
        inside = FADE_SAMPLES + BLOCK
        worker = worker_between(source, target, memory, inside_samples=inside)
        sound, played = noise(40 * BLOCK), []
        source.write(sound[:BLOCK])  # before it begins
        played.append(np.zeros((BLOCK, 2), np.float32))
        target.take(played[0])
        worker.begin()
        for block in np.split(sound[BLOCK:], 39):
            source.write(block)
            played.append(np.zeros((BLOCK, 2), np.float32))
            target.take(played[-1])
            assert worker.step()
            assert not worker.step()
        heard = np.concatenate(played)
        assert (heard[: BLOCK + inside] == 0).all()
        np.testing.assert_allclose(heard[BLOCK + inside :], np.tile(sound[BLOCK:-inside], (1, 2)), atol=1e-6)
        assert memory.telemetry["microphone_late"] == 0

    def test_its_thread_copies_until_it_is_closed(self, memory, controls):
        source, target = PlainInputRing(1 << 15, 1), PlainOutputRing(1 << 13, 2)
        worker = worker_between(source, target, memory, inside_samples=BLOCK)
        worker.start(0.0005)
        for _ in range(3):
            source.write(noise(BLOCK))
            wait_until(lambda: source.taken == source.written, "the block to be taken")
        worker.close()
        source.write(noise(BLOCK))
        assert (source.taken, worker.problem) == (3 * BLOCK, "")


CARDS = [
    AudioDevice(0, "interface", "ALSA", 4, 2, RATE_HZ, (0, 0), (0, 0), True, True, False),
    AudioDevice(1, "headset", "ALSA", 1, 2, 48000, (0, 0), (0, 0), False, False, False),
    AudioDevice(2, "loudspeaker", "ALSA", 0, 2, RATE_HZ, (0, 0), (0, 0), False, False, False),
]


class Stream:
    """A stream of sounddevice's that was opened, and runs when the test says so."""

    active = True
    latency = (0.01, 0.02)
    opened: list[tuple[str, dict]]

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict]]:
    opened: list[tuple[str, dict]] = []

    def kind(name: str) -> Callable[..., Stream]:
        def make(**arguments: object) -> Stream:
            opened.append((name, arguments))
            return Stream()

        return make

    fake = SimpleNamespace(
        **{f"{name}Stream": kind(name) for name in ("", "Input", "Output")},
        PortAudioError=OSError,
        check_input_settings=lambda **_: None,
        check_output_settings=lambda **_: None,
    )
    for module in (portaudio, callback_device):
        monkeypatch.setattr(module, "portaudio", lambda: fake)
    monkeypatch.setattr(open_devices, "find_device", lambda name, _: next(card for card in CARDS if card.name == name))
    return opened


class TestPlaces:
    """Where the microphone is taken in: the fewest streams, and the callback of the output where it can be."""

    def open(self, target: str = "interface", source: str = "device:interface", **settings: object) -> Ends:
        settings = {"mode": "callback"} | settings
        return open_ends(
            EngineSettings(source, f"device:{target}", **settings), RATE_HZ, BLOCK, lambda *_: None, lambda *_: None
        )

    def test_other_channels_of_the_device_that_does_all(self, streams):
        opened = self.open(input_channels=(1, 2), microphone_channels=(4,), mode="auto")
        assert [name for name, _ in streams] == [""]
        assert streams[0][1]["channels"] == (4, 2)
        assert (opened.mode, opened.microphone.direct, opened.microphone.device) == ("callback", True, opened.target)
        assert len(opened.devices) == 1

    def test_of_the_output_while_a_file_plays(self, streams, tmp_path):
        import soundfile

        soundfile.write(tmp_path / "song.wav", noise(1000, 2), RATE_HZ)
        opened = self.open(source=str(tmp_path / "song.wav"), microphone_channels=(3,))
        assert [(name, arguments["channels"]) for name, arguments in streams] == [("", (3, 2))]
        assert opened.microphone.direct
        assert opened.target.input is None
        opened.close()

    def test_of_the_source_where_that_has_a_clock_of_its_own(self, streams):
        opened = self.open("loudspeaker", microphone_channels=(3,))
        assert [(name, arguments["channels"]) for name, arguments in streams] == [("Output", 2), ("Input", 3)]
        assert (opened.microphone.direct, opened.microphone.device) == (False, opened.source)
        assert opened.microphone_output is opened.target.microphone_output

    def test_a_device_of_its_own(self, streams):
        opened = self.open(microphone="device:headset")
        assert [(name, arguments["channels"]) for name, arguments in streams] == [("", (2, 2)), ("Input", 1)]
        assert opened.microphone.device not in (opened.source, opened.target)
        assert len(opened.devices) == 2

    def test_the_rings_hold_the_delay_that_is_asked_for(self, streams):
        opened = self.open(latency=2000.0)
        assert opened.target.output.memory.capacity >= 3 * RATE_HZ

    def test_what_cannot_be(self, streams):
        with pytest.raises(DeviceError, match="headset, ALSA has 1 input channels, there is no number 2"):
            self.open(microphone="device:headset", microphone_channels=(2,))
        with pytest.raises(UsageError, match="write device:headset"):
            EngineSettings("device:x", "device:y", microphone="headset")
        with pytest.raises(UsageError, match="needs a device as output"):
            EngineSettings("device:x", "song.wav", microphone_channels=(1,))

    def test_the_callback_adds_it_in_the_same_block(self, streams, memory, controls):
        strip = MicrophoneStrip(memory, RATE_HZ, places=((1, 2),))
        settings = EngineSettings(
            "device:interface", "device:interface", input_channels=(1, 2), microphone_channels=(4,), mode="callback"
        )
        device = open_ends(settings, RATE_HZ, BLOCK, lambda *_: None, strip.add_to).target
        song, indata = noise(BLOCK, 2, seed=3), noise(BLOCK, 4)
        device.output.memory.put(0, song)
        out = np.zeros((BLOCK, 2), np.float32)
        device._duplex(indata, out, BLOCK, None, None)
        np.testing.assert_array_equal(out, song + indata[:, 3:])
        np.testing.assert_array_equal(device.input.memory.frames[:BLOCK], indata[:, :2])

    def test_the_callback_adds_what_a_thread_has_made_of_it(self, streams):
        device = self.open("loudspeaker", microphone_channels=(3,)).target
        song, sung = noise(BLOCK, 2, seed=3), noise(BLOCK, 2, seed=4)
        device.output.memory.put(0, song)
        device.microphone_output.memory.put(0, sung)
        out = np.zeros((BLOCK, 2), np.float32)
        device._play(out, BLOCK, None, None)
        np.testing.assert_array_equal(out, song + sung)
