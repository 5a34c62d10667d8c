"""Display names of the scores of `stemlive evaluate`."""

from collections.abc import Mapping

SCORES = {
    "usdr_db": "uSDR",
    "mixture_db": "  of the mixture",
    "oracle_db": "  of the ideal ratio mask",
    "csdr_db": "cSDR",
    "mixture_csdr_db": "  of the mixture",
    "oracle_csdr_db": "  of the ideal ratio mask",
    "leakage_db": "leakage where silent",
    "bleed_db": "vocal bleed",
}
"""Score in the report to its display name, in the order of the printed averages."""

LONG_PLAY = {"last_db": "  of the last one", "afresh_db": "  of the same, begun afresh"}


def score_rows(average: Mapping[str, Mapping[str, float]], columns: list[str]) -> list[tuple[str, list[float | None]]]:
    """Return a row for each score that any target has: its display name, and its value by column."""
    rows = [(title, [average.get(c, {}).get(score) for c in columns]) for score, title in SCORES.items()]
    return [row for row in rows if any(value is not None for value in row[1])]
