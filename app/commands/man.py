"""`stemlive man`: the manual page of the whole program, made from its help."""

import inspect
import re
from collections.abc import Iterator

import click

from stemlive import __version__


@click.command("man")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Print the manual page of all commands.

    Read it by `stemlive man | man -l -`, or write it to ~/.local/share/man/man1/stemlive.1, where `man stemlive` finds
    it. `install.sh` puts it into .venv/share/man.
    """
    root = ctx.find_root()
    click.echo("\n".join(man_page(root.command, root.info_name or "stemlive")))


def man_page(program: click.Command, name: str) -> Iterator[str]:
    """Yield the lines of the page in roff: the program's own help, then a section per command."""
    context = click.Context(program, info_name=name)
    first, *rest = _paragraphs(program)
    yield f'.TH {name.upper()} 1 "" "{name} {__version__}"'
    yield from (".SH NAME", rf"{name} \- {_escaped(first.rstrip('.').lower())}")
    yield from (".SH SYNOPSIS", rf".B {name}", r"[\fISONG\fR | \fICOMMAND\fR ...]", ".SH DESCRIPTION", ".PP")
    yield _escaped(first)
    for text in rest:
        yield from _paragraph(text)
    yield ".SH COMMANDS"
    yield from _commands(program, context)
    yield ".SH EXIT STATUS"
    yield r"0 for success, 1 for a failure, 2 for wrong use, 130 after Ctrl\-C, 143 after SIGTERM."


def _commands(group: click.Command, context: click.Context) -> Iterator[str]:
    """Yield a section for each command below a group, and for each below those."""
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context)
        yield f".SS {_escaped(' '.join([below.command_path, *command.collect_usage_pieces(below)]))}"
        for text in _paragraphs(command):
            yield from _paragraph(text)
        for parameter in command.get_params(below):
            if record := parameter.get_help_record(below):
                yield from (".TP", rf"\fB{_escaped(record[0])}\fR", _escaped(record[1]))
        if isinstance(command, click.Group):
            yield from _commands(command, below)


def _paragraphs(command: click.Command) -> list[str]:
    return inspect.cleandoc(command.help or "").split("\n\n")


def _paragraph(text: str) -> Iterator[str]:
    """Yield a paragraph; one with click's mark of lines to be left as they are keeps them."""
    if text.startswith("\b\n"):
        yield from (".PP", ".nf", *(_escaped(line) for line in text.splitlines()[1:]), ".fi")
    else:
        yield from (".PP", _escaped(text))


def _escaped(text: str) -> str:
    """Return text whose backslashes, hyphens and leading full stops mean nothing to roff."""
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", plain, flags=re.MULTILINE)
