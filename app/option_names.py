"""Errors of the library name its parameters; the command line names its options."""

import re
from functools import partial

import click

_PARAMETER = re.compile(r"""`([a-z_]+)(?:="?([\w-]+)"?)?`""")
"""`force`, or with a value: `force=True`, `mode="callback"`."""


def in_options(message: str, command: click.Command | None) -> str:
    """Return an error with the options of a command in place of the parameters that they set.

    `force` and `force=True` are --force, `accompaniment=False` is --no-accompaniment, `mode="callback"` is --mode
    callback. Words that are no parameter of the command stay as they are.
    """
    return message if command is None else _PARAMETER.sub(partial(_option, _options(command)), message)


def _options(command: click.Command) -> dict[str | None, click.Option]:
    """Return the options by parameter; those of a group are its commands'."""
    found: dict[str | None, click.Option] = {}
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        found |= _options(below)
    return found | {option.name: option for option in command.params if isinstance(option, click.Option)}


def _option(options: dict[str | None, click.Option], parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    if name not in options:
        return parameter[0]
    option = max(options[name].opts, key=len)
    if value == "False":
        return max(options[name].secondary_opts, key=len, default=f"no {option}")
    return option if value in (None, "True") else f"{option} {value}"
