"""The table of a sweep, in Markdown and CSV: costs, scores and published scores."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemlive.training.sweep import Cell, Sweep
from stemlive.training.sweep_run import Result
from stemlive.training.yardstick import YARDSTICK
from stemlive.whole_file import whole_file

TARGETS = ("vocals", "accompaniment", "drums", "bass", "other", "bass+other")
MEAN = "mean"  # published, of the four stems
Row = dict[str, Any]


def rows(sweep: Sweep, results: Mapping[str, Result]) -> list[Row]:
    """A row per cell, by column; a cell without a result has its name, costs and published numbers.

    The yardstick, uSDR and cSDR are in dB, `published` is uSDR too. They are means over the songs that the yardstick is
    the mean of; those in `pair_` over the songs with voice and accompaniment, if these are others.
    """
    return [_row(cell, results.get(cell.name)) for cell in sweep.cells]


def _row(cell: Cell, result: Result | None) -> Row:
    row: Row = {
        "cell": cell.name,
        "parameters": cell.cost.parameters,
        "gmac_per_s": round(cell.cost.gmac_per_s, 3),
    }
    if result is not None:
        row |= {
            "wall_min": round(result["wall_s"] / 60, 1),
            "processor_min": round(result["processor_s"] / 60, 1),
            "audio_h": round(result["audio_s"] / 3600, 2),
        }
        if (db := result["yardstick"]["yardstick_db"]) is not None:
            row[YARDSTICK] = round(db, 2)
        row |= _scores("usdr", result["scores"])
        row |= {f"pair_{column}": db for column, db in _scores("usdr", result["pair_scores"]).items()}
        row |= _scores("csdr", result["scores"])
    row |= {f"published_{target}": db for target, db in cell.published.items()}
    if result is not None:
        row |= {f"songs_{target}": result["songs"][target] for target in TARGETS if target in result["songs"]}
        row |= {key: result[key] for key in ("minutes", "clock", "seconds", "processes", "machine")}
        row |= {
            key: " + ".join("/".join(Path(root).parts[-2:]) for root in result[key]) for key in ("data", "validation")
        }
    return row


def _scores(kind: str, scores: Mapping[str, Mapping[str, float]]) -> Row:
    return {f"{kind}_{t}": scores[t][f"{kind}_db"] for t in TARGETS if f"{kind}_db" in scores.get(t, {})}


def columns(table: list[Row]) -> list[str]:
    """Columns that some row has, in the order of `rows`."""
    groups = ("usdr", "pair_usdr", "csdr", "published", "songs")
    kinds = [f"{group}_{target}" for group in groups for target in (*TARGETS, MEAN)]
    order = ["cell", "parameters", "gmac_per_s", "wall_min", "processor_min", "audio_h", YARDSTICK, *kinds]
    order += ["minutes", "clock", "seconds", "processes", "machine", "data", "validation"]
    return [column for column in order if any(column in row for row in table)]


def as_csv(table: list[Row]) -> str:
    """Return the CSV with all columns; missing values are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(table), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def as_markdown(sweep: Sweep, table: list[Row]) -> str:
    """The columns that people compare (of cSDR the voice), under a line that says what the scores are of."""
    hidden = [f"csdr_{target}" for target in TARGETS[1:]]
    shown = [column for column in columns(table) if column.split("_")[0] in HEADINGS and column not in hidden]
    lines = [f"# {sweep.title}", "", _about(sweep, table), ""]
    lines += [_line([_heading(column) for column in shown]), _line(["---", *["---:"] * (len(shown) - 1)])]
    lines += [_line([_text(column, row.get(column)) for column in shown]) for row in table]
    return "\n".join(lines) + "\n"


HEADINGS = {
    "cell": "cell",
    "parameters": "parameters, M",
    "gmac": "GMAC/s",
    "wall": "wall time, min",
    "processor": "processor time, min",
    "audio": "audio heard, h",
    "yardstick": "yardstick",
    "usdr": "uSDR {}",
    "pair": "two stems, {}",
    "csdr": "cSDR {}",
    "published": "published {}",
}


def _heading(column: str) -> str:
    kind, _, target = column.partition("_")
    return HEADINGS[kind].format(target.replace("usdr_", "uSDR "))


def _text(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column == "parameters":
        return f"{value / 1e6:.2f}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _line(texts: list[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _about(sweep: Sweep, table: list[Row]) -> str:
    """Return a line on scores, data and machine; if cells differ, with all of their values."""
    done = [row for row in table if "machine" in row]
    published = f" Published: {sweep.source}." if any(c.startswith("published") for c in columns(table)) else ""
    if not done:
        return f"Size {sweep.size}: nothing is measured yet.{published}"

    def all_of(texts: list[str]) -> str:
        return " / ".join(dict.fromkeys(texts))

    songs = [", ".join(f"{row[f'songs_{t}']} with {t}" for t in TARGETS if f"songs_{t}" in row) for row in done]
    length = [f"first {row['seconds']:g} s" if row["seconds"] else "whole" for row in done]
    time = [
        f"{row['minutes']:g} min of {row['clock']} time" if row["minutes"] else "as its recipe says" for row in done
    ]
    where = [f"processes: {row['processes']}, {row['machine']}" for row in done]
    warning = " They are no MUSDB18 scores: compare rows, not with what is published."
    return (
        f"Size {sweep.size}. Scores in dB on `{all_of([row['validation'] for row in done])}` (songs: {all_of(songs)}; "
        f"{all_of(length)}), trained on `{all_of([row['data'] for row in done])}`, each cell {all_of(time)}; "
        f"{all_of(where)}.{warning if sweep.size == 'small' else ''}{published}"
    )


def write_tables(sweep: Sweep, results: Mapping[str, Result], folder: Path) -> None:
    """Write <name>.md and <name>.csv into the folder; each file is whole at any time."""
    table = rows(sweep, results)
    for suffix, text in (("md", as_markdown(sweep, table)), ("csv", as_csv(table))):
        path = folder / f"{sweep.name}.{suffix}"
        with whole_file(path) as part:
            part.write_text(text, encoding="utf-8")
