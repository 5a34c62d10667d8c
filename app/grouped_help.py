"""Grouped options in the help of a command that has many."""

from collections.abc import Callable
from typing import Any

import click

_FALLBACK = "Other options"


class GroupedOption(click.Option):
    """An option that is listed under the heading `group` in the help."""

    def __init__(self, *arguments: Any, group: str = _FALLBACK, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists options under their headings, in the order in which these first appear."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section of options per heading; options without one come last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(parameter, "group", _FALLBACK), []).append(record)
        rest = groups.pop(_FALLBACK, [])
        for heading, records in [*groups.items(), (_FALLBACK, rest)]:
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records, col_max=26)


def grouped(group: str, *options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Add options, in this order, under one heading."""

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
            added = function.__click_params__[-1]
            assert isinstance(added, GroupedOption), added.name
            added.group = group
        return function

    return add
