"""Which outputs the mix, single stems and the cue mix go to."""

from dataclasses import dataclass

from stemlive.errors import UsageError, did_you_mean

_FIRST_TWO = (1, 2)


@dataclass(frozen=True)
class Outputs:
    """Channels of the output, counted from 1: one (mono) or two (left and right) for each.

    A stem with routes goes there, with its fader, mute, solo and pan, and not into the mix. The cue mix has gains of
    its own, and all stems. What meets on a channel is added up. UsageError for anything but one or two channels.
    """

    main: tuple[int, ...] | None = None
    """Of the mix; None is the first two, or the only one there is."""
    routes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Stem and channels; a stem may have several."""
    cue: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        ends = [*(channels for _, channels in self.routes), self.cue or (1,), self.main or _FIRST_TWO]
        for channels in ends:
            if len(channels) not in (1, 2) or min(channels) < 1 or len(set(channels)) < len(channels):
                raise UsageError("outputs are one or two channels from 1 on, for example 3,4")

    @property
    def given(self) -> bool:
        """Whether anything is chosen; if not, the mix goes to the first two channels, or as mono to the only one."""
        return self != AS_USUAL

    @property
    def of_mix(self) -> tuple[int, ...]:
        """The channels of the mix."""
        return self.main or _FIRST_TWO

    @property
    def of_microphone(self) -> tuple[tuple[int, ...], ...]:
        """Where the microphone is heard: with the mix, and with the cue mix."""
        return (self.of_mix, self.cue) if self.cue and self.cue != self.of_mix else (self.of_mix,)

    @property
    def highest(self) -> int:
        """How many channels the output must have."""
        return max(*self.of_mix, *self.cue, *(channel for _, channels in self.routes for channel in channels), 1)

    def within(self, count: int) -> "Outputs":
        """Return what a device with so many outputs can do of it: a stem without its own is in the mix again."""
        return Outputs(
            self.main if max(self.of_mix) <= count else None,
            tuple((stem, channels) for stem, channels in self.routes if max(channels) <= count),
            self.cue if self.cue and max(self.cue) <= count else (),
        )

    def for_stems(self, stems: tuple[str, ...]) -> "Outputs":
        """Return it without the routes of stems that there are not."""
        return Outputs(self.main, tuple(route for route in self.routes if route[0] in stems), self.cue)

    def check(self, stems: tuple[str, ...]) -> None:
        """Raise UsageError for a route of a stem that there is not."""
        for stem, _ in self.routes:
            if stem not in stems:
                raise UsageError(f"unknown stem '{stem}': {did_you_mean(stem, stems)}known are {', '.join(stems)}")


AS_USUAL = Outputs()
"""The mix on the first two channels."""
