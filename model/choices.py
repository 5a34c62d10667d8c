"""Checks of configuration values, which come from TOML files: TOML tells 1, 1.0 and "1" apart."""

import dataclasses
import math
from collections.abc import Collection
from typing import Any

from stemlive.errors import UsageError

TYPE_NAMES = {str: "a name", int: "a whole number", bool: "true or false", tuple: "a list of names (in Python a tuple)"}


def check_types(config: Any, but: Collection[str] = ()) -> None:
    """Raise UsageError, by name, for a value of another type than its default, `but` for some; numbers are finite.

    Fields whose default is made anew each time are not looked at.
    """
    for field in dataclasses.fields(config):
        value, default = getattr(config, field.name), field.default
        if field.name in but or default is dataclasses.MISSING:
            continue
        if isinstance(default, float):
            good, wanted = type(value) in (int, float) and math.isfinite(value), "a finite number"
        else:
            good, wanted = type(value) is type(default), TYPE_NAMES[type(default)]
        if not good:
            raise UsageError(f"{field.name} must be {wanted}, not {value!r}")
