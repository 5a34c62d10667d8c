"""What can be changed while the sound plays: gains, mutes, solos, presets, bypass."""

import math

from stemlive.errors import UsageError
from stemlive.realtime.control.cue import CueControls, StemControls
from stemlive.realtime.control.transport import Transport
from stemlive.realtime.dsp.key_change import MOST_SEMITONES, check_key_change
from stemlive.realtime.separation.mixer import MAX_GAIN_DB
from stemlive.realtime.shared.memory import MOST_STEMS, EngineMemory

MOST_SYNC_MS = 1000


class Controls(StemControls):
    """A mixer that writes every change to the engine's memory at once. For any thread except the engine's.

    Several front ends (keys, OSC, MIDI, a window) may share one. UsageError as in `Mixer`.
    """

    def __init__(self, stems: tuple[str, ...], memory: EngineMemory, *, write: bool = True) -> None:
        """With `write` false, the memory keeps its contents until the first change."""
        assert len(stems) <= MOST_STEMS, f"{len(stems)} stems, room for {MOST_STEMS}"
        super().__init__(stems, memory)
        self._bypass = False
        self._pans = dict.fromkeys(stems, 0.0)
        self._master_db = 0.0
        self.song = Transport(memory)
        """Controls the song: see `EngineSettings.song`."""
        self.cue = CueControls(stems, memory)
        """The gains of the cue mix: see `EngineSettings.outputs`."""
        self._semitones = 0
        self._microphone_gain_db = 0.0
        self._microphone_reverb = 0.0
        self._guide_db = -math.inf
        self._sync_ms = 0.0
        self._howling_guard = True
        if write:
            self.write()
            self.cue.write()

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems."""
        return self._mixer.stems

    @property
    def bypass(self) -> bool:
        """Whether the input is passed through unseparated, with the same delay."""
        return self._bypass

    @property
    def pans(self) -> dict[str, float]:
        """Pan by stem, -1 (left) to 1 (right)."""
        return dict(self._pans)

    @property
    def master_db(self) -> float:
        """The master gain in dB."""
        return self._master_db

    def set_master_db(self, gain_db: float) -> None:
        """Set the master gain, which applies in bypass as well: -inf (off) to +12 dB."""
        if not gain_db <= MAX_GAIN_DB:
            raise UsageError(f"the master's gain must be from -inf to +{MAX_GAIN_DB:g} dB, not {gain_db:g}")
        with self._lock:
            self._master_db = float(gain_db)
            self.write()

    def set_pan(self, stem: str, pan: float) -> None:
        """Pan a stem to the left (-1) or right (1) by attenuating the other side. No effect in mono."""
        if stem not in self._pans or not -1 <= pan <= 1:
            raise UsageError(f"pan is from -1 to 1, of one of {', '.join(self._pans)}; not {pan:g} of '{stem}'")
        with self._lock:
            self._pans[stem] = float(pan)
            self.write()

    @property
    def microphone_gain_db(self) -> float:
        """Gain of the microphone in dB."""
        return self._microphone_gain_db

    @property
    def microphone_reverb(self) -> float:
        """Reverberation of the microphone, 0 to 1."""
        return self._microphone_reverb

    def set_bypass(self, on: bool = True) -> None:
        """Switch bypass, with a cross-fade: the input passes through unseparated."""
        self._bypass = on
        self._memory.parameters["bypass"] = on

    def set_microphone_gain_db(self, gain_db: float) -> None:
        """Move the fader of the microphone: -inf (off) to +12 dB. UsageError outside."""
        if not gain_db <= MAX_GAIN_DB:
            raise UsageError(f"gain of the microphone must be from -inf to +{MAX_GAIN_DB:g} dB, not {gain_db:g}")
        with self._lock:
            self._microphone_gain_db = float(gain_db)
            self.write()

    def set_microphone_reverb(self, amount: float) -> None:
        """Add reverberation to the microphone, 0 (dry) to 1. UsageError outside."""
        if not 0 <= amount <= 1:
            raise UsageError(f"reverberation of the microphone must be from 0 to 1, not {amount:g}")
        with self._lock:
            self._microphone_reverb = float(amount)
            self.write()

    @property
    def guide_db(self) -> float:
        """Gain of the guide in dB: so much of the voice is heard at least, until somebody sings; -inf is off."""
        return self._guide_db

    def set_guide_db(self, gain_db: float) -> None:
        """Let the voice be heard at this gain at least, -inf (off) to 0 dB, and step back while somebody sings."""
        if not gain_db <= 0:
            raise UsageError(f"the guide is a gain from -inf (off) to 0 dB, not {gain_db:g}")
        with self._lock:
            self._guide_db = float(gain_db)
            self.write()

    @property
    def howling_guard(self) -> bool:
        """Whether a microphone that howls is turned down."""
        return self._howling_guard

    def set_howling_guard(self, on: bool = True) -> None:
        """Let a microphone that howls be turned down, or not."""
        with self._lock:
            self._howling_guard = on
            self.write()

    @property
    def sync_ms(self) -> float:
        """How much later the output's device sounds than it says."""
        return self._sync_ms

    def set_sync_ms(self, later_ms: float) -> None:
        """Let words and place of a song follow a device that sounds later than it says, or earlier: -1000 to 1000 ms.

        The sound stays as it is; the latency that is shown has it, too. UsageError outside.
        """
        if not abs(later_ms) <= MOST_SYNC_MS:
            raise UsageError(f"sync is from -{MOST_SYNC_MS} to {MOST_SYNC_MS} ms, not {later_ms:g}")
        with self._lock:
            self._sync_ms = float(later_ms)
            self.write()

    @property
    def semitones(self) -> int:
        """Key change of the mix; it applies neither to the microphone nor to recordings."""
        return self._semitones

    def set_semitones(self, semitones: int) -> None:
        """Change the key by -6 to 6 semitones. UsageError outside, StemliveError without the library Rubber Band."""
        if not -MOST_SEMITONES <= semitones <= MOST_SEMITONES:
            raise UsageError(f"a key change is from -{MOST_SEMITONES} to {MOST_SEMITONES} semitones, not {semitones}")
        if semitones:
            check_key_change()
        with self._lock:
            self._semitones = semitones
            self.write()

    def write(self) -> None:
        """Write all that is set, but for bypass, song and cue, to the memory."""
        gains = self._mixer.gains()
        self._memory.parameters["gains"][: len(gains)] = gains
        self._memory.parameters["pans"][: len(gains)] = list(self._pans.values())
        self._memory.parameters["master"] = 10 ** (self._master_db / 20)
        self._memory.parameters["bypass"] = self._bypass
        self._memory.parameters["key"] = self._semitones
        self._memory.parameters["microphone_gain"] = 10 ** (self._microphone_gain_db / 20)
        self._memory.parameters["microphone_reverb"] = self._microphone_reverb
        self._memory.parameters["guide"] = 10 ** (self._guide_db / 20)
        self._memory.parameters["sync_ms"] = self._sync_ms
        self._memory.parameters["howling_guard"] = self._howling_guard
