"""The queue of the engine at any rate and period: simulated, with a clock that counts what is spent, and no other."""

import numpy as np
import onnx_models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemlive.realtime.devices.device import DeviceFaults, RingSource
from stemlive.realtime.devices.drift import DriftSource
from stemlive.realtime.devices.open_devices import Ends, Microphone
from stemlive.realtime.devices.portaudio import StreamRequest
from stemlive.realtime.devices.ring import PlainInputRing, PlainOutputRing
from stemlive.realtime.engine import pace, run
from stemlive.realtime.engine.microphone import LONGEST_MICROPHONE_BLOCK, MicrophoneStrip, MicrophoneWorker
from stemlive.realtime.engine.playout import FADE_SAMPLES, Playout
from stemlive.realtime.engine.run import LiveRun
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.settings import EngineSettings
from stemlive.realtime.shared.snapshot import Snapshot

RATES_HZ = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000)
PERIODS = {64: 64, 100: 100, 441: 441, 512: 512, 1024: 1024, 2048: 2048, 4096: 1024, 1200: 1024}
"""And the longest block in which each is handed over: PortAudio cuts the long ones of JACK into pieces."""
MODEL_RATE_HZ, WINDOW, HOP = 44100, 2048, 512
HOP_S = HOP / MODEL_RATE_HZ
GAIN = np.float32(0.5)
"""Of every stem: what is separated is heard at half its height, and what comes too late as it was."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    path = tmp_path_factory.mktemp("model") / "live.onnx"
    return Session(onnx_models.write_model(path, onnx_models.metadata((WINDOW, WINDOW // 2, HOP))))


class Card:
    """A sound card that calls back for each block of a period when the period is over."""

    error, problem = None, ""
    latency_samples = (100, 200)

    def __init__(
        self, rate_hz: int, period: int, block: int, *, first_s: float = 0.0, held_back_s: float = 0.0
    ) -> None:
        self.sample_rate_hz, self._period, self._block = rate_hz, period, block
        self._first_s, self._periods = first_s, 0
        self.faults = DeviceFaults()
        self.samples = self.block_samples = 0
        request = StreamRequest(None, None, sample_rate_hz=rate_hz, held_back_s=held_back_s)
        self.input = PlainInputRing(request.input_ring_samples, 1)
        self.output = PlainOutputRing(request.output_ring_samples, 1)
        self.played: list[np.ndarray] = []

    @property
    def due_s(self) -> float:
        return self._first_s + (self._periods + 1) * self._period / self.sample_rate_hz

    def sound(self, first: int, end: int) -> np.ndarray:
        """Some of what it hears: a tone that rises for ever, so that no two places of it are alike."""
        t = np.arange(first, end) / self.sample_rate_hz
        lowest_hz = 0.1 * min(self.sample_rate_hz, MODEL_RATE_HZ)
        return (0.4 * np.sin(2 * np.pi * lowest_hz * (t + t**2 / 100))).astype(np.float32)[:, None]

    def turn(self) -> None:
        self._periods += 1
        for first in range(0, self._period, self._block):
            count = min(self._block, self._period - first)
            self.input.write(self.sound(self.samples, self.samples + count))
            out = np.zeros((count, 1), np.float32)
            self.output.take(out)
            self.played.append(out)
            self.block_samples = max(self.block_samples, count)
            self.samples += count

    def start(self) -> None:
        pass

    refresh = close = start


class Simulation:
    """An engine between two cards, or one. Nothing takes time but the model: a share of a hop, for each."""

    def __init__(self, source: Card, target: Card) -> None:
        self.source, self.target = source, target
        self.now_s = 0.0

    def time_s(self) -> float:
        return self.now_s

    def spend(self, seconds: float) -> None:
        """Let time pass, and what is due meanwhile happen."""
        end_s = self.now_s + seconds
        while (card := min(self.source, self.target, key=lambda card: card.due_s)).due_s <= end_s:
            self.now_s = card.due_s
            card.turn()
        self.now_s = end_s

    def play(
        self, session: Session, seconds: float, *, load: float = 0.25, latency: str | float = "low"
    ) -> tuple[Snapshot, int]:
        """Run the engine for a time; return what it says at the end, and the sample with which it began."""
        memory = EngineMemory.local()
        memory.parameters["gains"][:4] = GAIN
        session.reset()
        ends = Ends(self.source, self.target, "rtmixer", self.target.sample_rate_hz)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run, "open_ends", lambda *_: ends)
            patch.setattr(pace, "perf_counter", self.time_s)
            patch.setattr(pace, "sleep", self.spend)
            patch.setattr(DriftSource.__init__, "__defaults__", (self.time_s,))
            live = LiveRun(EngineSettings("device:a", "device:b", latency=latency), session, memory)
            model = live._path.run

            def busy(gains: np.ndarray, *, separated: bool = True) -> None:
                self.spend(load * HOP_S if separated else 0.0)
                model(gains, separated=separated)

            live._path.run = busy
            began, end_s = self.target.samples, self.now_s + seconds
            while self.now_s < end_s:
                if not live.step():
                    self.spend(live.poll_s)
        return memory.snapshot(), began

    def carry(self, session: Session, seconds: float) -> tuple[int, int]:
        """Let a microphone on the source be heard on the target; return its delay, and how often it was late."""
        memory, rate_hz = EngineMemory.local(), self.target.sample_rate_hz
        memory.parameters["microphone_gain"] = 1
        microphone = Microphone(self.source, self.source.input, direct=False)
        measured = pace.Pace(Ends(self.target, self.target, "rtmixer", rate_hz, microphone), session.info)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pace, "perf_counter", self.time_s)
            patch.setattr(pace, "sleep", self.spend)
            measured.wait()
        source: RingSource | DriftSource = RingSource(self.source.input)
        if self.source is not self.target:
            ratio = rate_hz / self.source.sample_rate_hz
            source = DriftSource(self.source.input, ratio, rate_hz, clock=self.time_s)
        delay = measured.microphone_samples(self.source, source)
        worker = MicrophoneWorker(
            MicrophoneStrip(memory, rate_hz, places=((1,),)),
            source,
            Playout(self.target.output, LONGEST_MICROPHONE_BLOCK // 4),
            memory,
            inside_samples=delay,
            one_clock=self.source is self.target,
        )
        worker.begin()
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            if not worker.step():
                self.spend(0.0002)
        return delay, int(memory.telemetry["microphone_late"])


def check_one_card(session: Session, rate_hz: int, period: int, block: int, latency: str | float = "low") -> None:
    """No hop is late, and the separated sound is as late as is said, to the sample."""
    held_back_s = latency / 1000 if isinstance(latency, float) else 0.0
    card = Card(rate_hz, period, block, held_back_s=held_back_s)
    said, began = Simulation(card, card).play(session, 0.4 + held_back_s + 4 * period / rate_hz, latency=latency)
    assert said.hops > 0.25 / HOP_S
    assert (said.late_hops, said.output_underflows, said.input_overflows) == (0, 0, 0)
    assert said.latency.total == 100 + said.latency.inside + 200
    played = np.concatenate(card.played)
    # The first hops fade in, from what the model had not heard.
    first = began + said.latency.inside + 2 * round(WINDOW * rate_hz / MODEL_RATE_HZ)
    assert first + 0.05 * rate_hz < len(played)
    expected = GAIN * card.sound(first - said.latency.inside, len(played) - said.latency.inside)
    np.testing.assert_allclose(played[first:], expected, atol=1e-3)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("period", PERIODS)
def test_no_hop_is_late_and_the_delay_is_the_one_that_is_said(session, rate_hz, period):
    check_one_card(session, rate_hz, period, PERIODS[period])


@settings(max_examples=15, deadline=None)
@given(rate_hz=st.integers(8000, 192000), period=st.integers(64, 4096), blocks=st.integers(1, 4))
def test_nor_at_any_other_rate_and_period(session, rate_hz, period, blocks):
    check_one_card(session, rate_hz, period, -(-period // blocks))


@pytest.mark.parametrize(
    ("period", "apart_ms", "late_ms", "portion"),
    [
        pytest.param(4096, 3.0, 0.0, 4096, id="blocks of a period that lie apart"),
        pytest.param(1024, 0.0, 9.0, 1024, id="a look now and then too late"),
        pytest.param(64, 0.0, 0.0, 64, id="short blocks"),
    ],
)
def test_what_belongs_together_is_told_on_a_busy_machine(period, apart_ms, late_ms, portion):
    card = Card(MODEL_RATE_HZ, period, min(period, 1024))
    portions = pace.Portions(card)
    for number in range(max(12, MODEL_RATE_HZ // (2 * period))):
        for block in range(-(-period // 1024)):
            card.samples += min(period, 1024)
            card.block_samples = min(period, 1024)
            late_s = (block * apart_ms + (late_ms if number % 4 == 2 else 0)) / 1000
            portions.look((number + 1) * period / MODEL_RATE_HZ + late_s)
    assert portions.known
    assert portions.samples == portion


def test_blocks_that_come_right_after_a_look_are_not_yet_seen():
    """A period of four blocks, the last three of which come between a look and the question whether all is known."""
    card = Card(MODEL_RATE_HZ, 4096, 1024)
    portions = pace.Portions(card)
    card.samples, card.block_samples = 1024, 1024
    portions.look(1.0)
    card.samples = 4096
    assert not portions.known
    for period in range(5):
        portions.look(1.001 + period * 4096 / MODEL_RATE_HZ)
        card.samples += 4096
    assert portions.known
    assert portions.samples == 4096


@pytest.mark.parametrize(
    ("first", "then"),
    [
        # Of the third period half has been seen, when there would be enough of halves (on JACK: a queue of 1600).
        pytest.param(
            ((1024, 1.0), (4096, 1.0004), (8192, 1.093), (10240, 1.186)),
            ((12288, 1.1864), (16384, 1.279), (20480, 1.372)),
            id="a portion in the making",
        ),
        # The first four blocks lay more than half a block apart, and were enough (in CI: a queue of 576).
        pytest.param(
            tuple((1024 * (block + 1), 1.0 + 0.013 * block) for block in range(4)),
            tuple((4096 * (period + 1), 1.0 + period * 4096 / MODEL_RATE_HZ) for period in range(1, 5)),
            id="a first period in pieces",
        ),
    ],
)
def test_what_is_not_whole_is_not_believed(first, then):
    card = Card(MODEL_RATE_HZ, 4096, 1024)
    portions = pace.Portions(card)
    card.block_samples = 1024
    for looks, enough in ((first, False), (then, True)):
        for seen, now_s in looks:
            card.samples = seen
            portions.look(now_s)
        assert portions.known == enough
    assert portions.samples == 4096


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_a_delay_that_is_asked_for_has_room(session, rate_hz):
    check_one_card(session, rate_hz, 512, 512, latency=2000.0)


def test_a_model_that_takes_longer_than_a_hop_is_late(session):
    """Or the others could not fail."""
    card = Card(8000, 64, 64)
    said, _ = Simulation(card, card).play(session, 1.0, load=1.3)
    assert said.late_hops > 10


CLOCKS = pytest.mark.parametrize(
    ("source", "target"),
    [
        ((8000, 160), (44100, 512)),  # a headset, and loudspeakers
        ((44100, 512), (8000, 160)),
        ((8000, 64), (8000, 64)),
        ((44100, 512), (44100, 512)),
        ((48000, 64), (44100, 64)),
        ((44100, 64), (48000, 4096)),
        ((8000, 4096), (8000, 4096)),
        ((192000, 1024), (8000, 100)),
    ],
)


@CLOCKS
def test_nor_between_two_clocks_however_their_periods_meet(session, source, target):
    for phase in (0.0, 0.3, 0.6, 0.9):
        cards = Card(*source, source[1], first_s=phase * source[1] / source[0]), Card(*target, target[1])
        said, _ = Simulation(*cards).play(session, 0.5 + 3 * source[1] / source[0] + 3 * target[1] / target[0])
        assert said.hops > 0.25 / HOP_S
        assert (said.late_hops, said.output_underflows, said.input_overflows) == (0, 0, 0)


@pytest.mark.parametrize(("rate_hz", "period"), [(8000, 64), (44100, 100), (44100, 512), (48000, 4096)])
def test_a_microphone_on_the_same_card_is_as_late_as_is_said(session, rate_hz, period):
    card = Card(rate_hz, period, period)
    delay, late = Simulation(card, card).carry(session, 0.3 + 4 * period / rate_hz)
    assert (delay, late) == (FADE_SAMPLES + period, 0)
    played = np.concatenate(card.played)[-2 * period :]
    np.testing.assert_allclose(played, card.sound(card.samples - 2 * period - delay, card.samples - delay), atol=1e-6)


@CLOCKS
def test_a_microphone_with_its_own_clock_is_not_late(session, source, target):
    for phase in (0.0, 0.3, 0.6, 0.9):
        cards = Card(*source, source[1], first_s=phase * source[1] / source[0]), Card(*target, target[1])
        _, late = Simulation(*cards).carry(session, 0.3 + 3 * source[1] / source[0] + 3 * target[1] / target[0])
        assert late == 0


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 44100), (44100, 8000), (48000, 44100), (192000, 8000)])
def test_two_clocks_hold_back_no_more_than_is_said(from_hz, to_hz):
    ring, rng = PlainInputRing(1 << 17, 1), np.random.default_rng(0)
    source = DriftSource(ring, to_hz / from_hz, to_hz, clock=lambda: 0.0)
    made, most = 0, 0.0
    for _ in range(1000):
        ring.write(np.zeros((int(rng.integers(1, 300)), 1), np.float32))
        count = source.available()
        source.read(np.zeros((count, 1), np.float32))
        made += count
        most = max(most, ring.written * to_hz / from_hz - made)
    assert 0.8 * source.held_samples < most <= source.held_samples


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=20),
    begins=st.integers(100, 200),
    read=st.integers(0, 500),
)
def test_a_layer_fades_the_same_however_it_is_cut(lengths, begins, read):
    """Also where it begins late, so that a part of it was read already."""
    read = min(read, begins + lengths[0] - FADE_SAMPLES)
    rng = np.random.default_rng(0)
    sound, below = (rng.standard_normal((n, 1)).astype(np.float32) for n in (sum(lengths), 1 << 14))
    heard = []
    for blocks in ([sound], np.split(sound, np.cumsum(lengths)[:-1])):
        ring = PlainOutputRing(1 << 14, 1)
        ring.memory.put(0, below)
        ring.read = read
        layer, position = Playout(ring, len(sound)).wet, begins
        for block in blocks:
            layer.write(position, block)
            position += len(block)
        heard.append(ring.memory.frames.copy())
    np.testing.assert_allclose(heard[1], heard[0], atol=1e-6)
    end = begins + len(sound)
    first = max(begins, read)
    rise = np.clip((np.arange(end) - first + 0.5) / FADE_SAMPLES, 0, 1)
    fall = np.clip((end - np.arange(end) - 0.5) / FADE_SAMPLES, 0, 1)
    share = (rise * fall)[first:, None]
    expected = below[first:end] + share * (sound[first - begins :] - below[first:end])
    np.testing.assert_allclose(heard[0][first:end], expected, atol=1e-5)
    np.testing.assert_array_equal(heard[0][:first], below[:first])
    np.testing.assert_array_equal(heard[0][end:], below[end:])
