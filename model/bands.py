"""Band schemes: how the bins of one frame are cut into bands, each of which becomes one feature vector.

A scheme is a table of (bandwidth in Hz, count); whatever lies above the last band is one band more. As in the original
implementation every bandwidth is rounded down to whole bins, so bands of one bandwidth have one width and the last band
takes up the remainder. Sources: arXiv 2209.15174, section V-A (V1 to V7, bass, drums); arXiv 2603.09187 (joint).
"""

from itertools import groupby

from stemlive.errors import UsageError

BAND_SCHEMES_HZ: dict[str, tuple[tuple[int, int], ...]] = {
    "v1": ((1000, 21),),
    "v2": ((1000, 16), (2000, 2)),
    "v3": ((1000, 8), (2000, 4), (4000, 1)),
    "v4": ((100, 10), (1000, 7), (2000, 4), (4000, 1)),
    "v5": ((100, 10), (1000, 15), (2000, 2)),
    "v6": ((100, 10), (500, 6), (1000, 4), (2000, 4), (4000, 1)),
    "v7": ((100, 10), (250, 12), (500, 8), (1000, 8), (2000, 2)),
    "bass": ((50, 10), (100, 5), (500, 6), (1000, 4), (2000, 4)),
    "drums": ((50, 20), (100, 10), (250, 8), (500, 8), (1000, 8)),
    "joint": ((50, 20), (100, 10), (250, 8), (500, 8), (1000, 8), (2000, 2)),
}


def band_widths(scheme: str | tuple[int, ...], num_bins: int, sample_rate_hz: int) -> tuple[int, ...]:
    """Widths in bins of the bands of a named scheme, or of a list of widths, lowest band first.

    Raises UsageError for an unknown name, a width below one, or widths that do not sum to `num_bins`.
    """
    if isinstance(scheme, str):
        if scheme not in BAND_SCHEMES_HZ:
            raise UsageError(f"unknown band scheme '{scheme}': choose one of {', '.join(BAND_SCHEMES_HZ)}")
        bins_per_hz = num_bins / (sample_rate_hz / 2)
        widths = [int(width_hz * bins_per_hz) for width_hz, count in BAND_SCHEMES_HZ[scheme] for _ in range(count)]
        widths.append(num_bins - sum(widths))
    else:
        widths = list(scheme)
    if min(widths) < 1:
        raise UsageError(
            f"band scheme {scheme!r} leaves a band without bins at {num_bins} bins: "
            "take a coarser scheme or a longer analysis window"
        )
    if sum(widths) != num_bins:
        raise UsageError(f"band scheme sums to {sum(widths)} bins, but a frame has {num_bins}: make them equal")
    return tuple(widths)


def equal_width_groups(*widths: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Runs of neighbouring bands with one width, as (number of bands, width): one matrix product serves a run.

    With several lists of widths, each is constant within a run, and a run names the width of each.
    """
    return tuple((len(list(run)), *each) for each, run in groupby(zip(*widths, strict=True)))
