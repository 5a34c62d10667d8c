"""A sweep: models that differ in one choice or two, trained alike and compared in one table; read from a TOML file.

A file holds `title`, `source` (where the published numbers come from), `cells`, one line each, and the tables that the
cells change: [base] for all, then [small] or [original] for one size. A cell has a `name`, what is `published`, by
column of scores, and its changes: those of a recipe (`model.time_layer = "gru"`) and those of `Cell`, for both sizes
or for one (`small.model.feature_dim = 24`). Values from the more special place win.
"""

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from stemlive.errors import UsageError, did_you_mean
from stemlive.model.config import STEMS, ModelConfig
from stemlive.model.cost import Cost, model_costs, total_cost
from stemlive.training.recipe import Recipe, parse_recipe, read_toml

SIZES = ("small", "original")
BUNDLED = Path(__file__).parent / "sweeps"
STEM_SCHEMES = {"vocals": "v7", "drums": "drums", "bass": "bass", "other": "v7"}
"""Band scheme of a model of one stem (arXiv 2209.15174, section V-A)."""

Tables = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """One model of a cell: its folder below the sweep's, and its recipe, read and as `tables` to be written again."""

    folder: str
    tables: Tables
    recipe: Recipe


@dataclass(frozen=True)
class Cell:
    """One row of the table.

    models: one, or with `apart` one for each stem, whose costs are added and whose scores stand side by side.
    published: what others published for this row, in dB, by stem; `mean` is that of four stems.
    minutes: how long the cell trains, its models together; None for as long as the recipe says.
    seconds: how much of each song is scored, from its beginning; None for all.
    """

    name: str
    models: tuple[Model, ...]
    published: dict[str, float]
    minutes: float | None = None
    seconds: float | None = None

    @cached_property
    def cost(self) -> Cost:
        """Of its models together."""
        return total_cost({model.folder: _cost(model.recipe.model) for model in self.models})


@dataclass(frozen=True)
class Sweep:
    """The contents of one file for one size."""

    name: str
    title: str
    source: str
    size: str
    cells: tuple[Cell, ...]


def bundled_sweeps() -> dict[str, str]:
    """Titles of the sweeps that come with the program, by name."""
    return {path.stem: str(read_toml(path, "sweep").get("title")) for path in sorted(BUNDLED.glob("*.toml"))}


def read_sweep(name: str, size: str) -> Sweep:
    """The sweep of that name, or in that file (.toml), in one of SIZES. Raises UsageError for what does not fit."""
    path = Path(name) if name.endswith(".toml") else BUNDLED / f"{name}.toml"
    if not path.exists():
        known = bundled_sweeps()
        meant = did_you_mean(name, known)
        raise UsageError(f"there is no sweep {name}: {meant}name a TOML file or one of {', '.join(known)}")
    tables = read_toml(path, "sweep")
    unknown = sorted(set(tables) - {"title", "source", "cells", "base", *SIZES})
    if unknown:
        raise UsageError(
            f"{path}: unknown '{unknown[0]}': a sweep has title, source, cells, base, {' and '.join(SIZES)}"
        )
    if size not in tables:
        raise UsageError(f"{path} has no size {size}: choose one of {', '.join(s for s in SIZES if s in tables)}")
    shared = merged(tables.get("base", {}), tables[size])
    cells = tuple(_cell(cell, shared, size, str(path)) for cell in tables.get("cells", []))
    names = [cell.name for cell in cells]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"{path}: a sweep needs cells, each with a name of its own")
    return Sweep(path.stem, str(tables.get("title", path.stem)), str(tables.get("source", "")), size, cells)


def _cell(line: Tables, shared: Tables, size: str, path: str) -> Cell:
    name = line.get("name", "")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._-]*", name):  # it names a folder
        raise UsageError(f"{path}: '{name}' is no name for a cell: use letters, digits and + . _ -")
    common = {key: value for key, value in line.items() if key not in ("name", "published", *SIZES)}
    tables = merged(merged(shared, common), line.get(size, {}))
    apart, minutes, seconds = (tables.pop(key, None) for key in ("apart", "minutes", "seconds"))
    variants = {name: tables}
    if apart:
        alone = {stem: {"model": {"stems": [stem], "band_scheme": STEM_SCHEMES[stem]}} for stem in STEMS}
        variants = {f"{name}/{stem}": merged(tables, change) for stem, change in alone.items()}
    models = tuple(
        Model(folder, variant, parse_recipe(variant, f"{path}, cell {name}")) for folder, variant in variants.items()
    )
    return Cell(name, models, line.get("published", {}), minutes, seconds)


def merged(below: Tables, above: Tables) -> Tables:
    """Two nested tables as one, new; where both have a value, that of `above`."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


@cache
def _cost(config: ModelConfig) -> Cost:
    return total_cost(model_costs(config))
