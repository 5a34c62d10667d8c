"""The guide: the voice that steps back while somebody sings into the microphone."""

import numpy as np
import pytest

from stemlive.errors import UsageError
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.engine.guide import Guide
from stemlive.realtime.shared.memory import EngineMemory

RATE_HZ, BLOCK = 44100, 512
STEMS = ("drums", "vocals")


@pytest.fixture
def memory() -> EngineMemory:
    return EngineMemory.local()


@pytest.fixture
def controls(memory: EngineMemory) -> Controls:
    return Controls(STEMS, memory)


def decibels(level: float) -> float:
    return float(20 * np.log10(level + 1e-9))


class TestGuide:
    def heard(self, memory: EngineMemory, guide: Guide, sung: float, hops: int) -> list[float]:
        """Gains of the voice in dB over so many hops, with the microphone at a level."""
        memory.telemetry["microphone_rms"] = sung
        found = []
        for _ in range(hops):
            gains = memory.parameters["gains"][: len(STEMS)].copy()
            guide.raise_in(gains)
            assert gains[0] == 1
            found.append(decibels(float(gains[1])))
            guide.follow()
        return found

    def test_it_is_heard_steps_back_while_somebody_sings_and_comes_back(self, memory, controls):
        controls.mute("vocals")
        guide = Guide(memory, STEMS, BLOCK / RATE_HZ)
        assert self.heard(memory, guide, 0.0, 2)[-1] < -100, "off unless asked for"
        controls.set_guide_db(-12)
        assert self.heard(memory, guide, 0.0, 5) == pytest.approx(5 * [-12], abs=1e-4)
        back = self.heard(memory, guide, 0.1, 86)  # a second at -20 dB
        assert back == sorted(back, reverse=True) and back[17] < -30, "nearly all after 0.2 s"
        assert back[-1] == pytest.approx(-36, abs=0.1)
        assert np.abs(np.diff(back)).max() < 5, "without a step"
        forth = self.heard(memory, guide, 0.001, 430)  # what else a microphone hears
        assert forth == sorted(forth) and forth[17] < -28, "a breath does not bring it back"
        assert forth[-1] == pytest.approx(-12, abs=0.2)

    def test_a_voice_that_is_louder_stays_as_it_is(self, memory, controls):
        controls.set_guide_db(-12)
        guide = Guide(memory, STEMS, BLOCK / RATE_HZ)
        assert self.heard(memory, guide, 0.1, 20) == pytest.approx(20 * [0], abs=1e-4)

    def test_a_model_without_a_voice_has_none(self, memory, controls):
        controls.set_guide_db(0)
        gains = np.zeros(2, np.float32)
        Guide(memory, ("drums", "rest"), 0.01).raise_in(gains)
        assert gains.tolist() == [0, 0]

    def test_its_range(self, controls):
        for wrong in (0.5, float("nan")):
            with pytest.raises(UsageError, match="the guide is a gain from -inf"):
                controls.set_guide_db(wrong)
