"""The command `stemlive`: lazily loaded sub-commands, and how errors are shown."""

import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import click

from stemlive.display import no_window
from stemlive.errors import StemliveError, check_exists, did_you_mean, is_out_of_memory
from stemlive.option_names import in_options
from stemlive.song_list import is_many

GROUPS = {
    "Listen": ("stream", "play", "gui", "devices"),
    "Separate files": ("separate", "demo"),
    "Inspect": ("models", "bench", "describe", "man"),
    "Train": ("prepare", "train", "average", "sweep", "evaluate", "compare", "export", "corpus"),
}
"""The sub-commands as the help groups them."""

COMMANDS = {name: f"stemlive.commands.{name}:command" for names in GROUPS.values() for name in names}
"""Sub-command to the location of its click command. These modules import heavy packages inside functions."""

_UNCUT = 1000
_INTERRUPTED = 130
_BROKEN_PIPE = 141


class LazyGroup(click.Group):
    """Imports a sub-command when it is called, adds `--verbose` to each, and shows every error in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a sub-command; None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        if all(option.name != "verbose" for option in command.params):
            command.params.append(_verbose_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section per group, with the whole first sentence of each command."""
        for heading, names in GROUPS.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl([(name, command.get_short_help_str(_UNCUT)) for name, command in found if command])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the sub-command to run: for songs that of `song_command`, for a misspelt name an error."""
        word = args[0]
        if word not in COMMANDS and not word.startswith("-"):
            if "://" in word or Path(word).exists():
                args = [song_command(args), *args]
            elif Path(word).suffix or Path(word).name != word:
                check_exists(Path(word))
            else:
                meant = did_you_mean(word, COMMANDS)
                ctx.fail(f"No such command '{word}'{': ' if meant else '.'}{meant.strip()}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the sub-command; exit quietly, as `cat` does, when the reader of standard output has closed it.

        Errors of the library name its parameters, and get this command's options here.
        """
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except StemliveError as error:
            called = self.get_command(ctx, ctx.invoked_subcommand or "")
            error.args = (in_options(str(error), called),)
            raise
        except BrokenPipeError:
            # Otherwise Python would try to flush at exit, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            ctx.exit(_BROKEN_PIPE)
        except EOFError as error:
            # Click would take it for Ctrl-D at a prompt.
            raise StemliveError(f"a file ends before it should ({error}): --verbose shows where it is read") from error
        return result

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run and exit with 0, 1 for a failure, 2 for wrong use, 130 for Ctrl-C or 141 for a broken pipe."""
        arguments = list(sys.argv[1:] if args is None else args) or ["--help"]
        settings = {"verbose": False}
        extra["standalone_mode"] = False
        interruption = _Interruption()
        try:
            with interruption:
                code = super().main(arguments, prog_name, obj=settings, **extra)
        except click.exceptions.Abort:
            code = _say("stemlive: interrupted", _INTERRUPTED)
        except click.ClickException as error:
            code = _say(f"stemlive: error: {_with_hint(error, arguments)}", error.exit_code)
        except Exception as error:
            if settings["verbose"]:
                traceback.print_exc()
            if interruption.came and not isinstance(error, StemliveError):
                # Ctrl-C during an import makes libraries raise all kinds of errors.
                sys.exit(_say("stemlive: interrupted", _INTERRUPTED))
            code = _say(f"stemlive: error: {_describe(error)}", getattr(error, "exit_code", 1))
        sys.exit(code if isinstance(code, int) else 0)


class _Interruption:
    """Remembers Ctrl-C within its `with` block, and raises KeyboardInterrupt; inactive if it has another handler."""

    def __init__(self) -> None:
        self.came = False
        here = threading.current_thread() is threading.main_thread()
        self._listens = here and signal.getsignal(signal.SIGINT) == signal.default_int_handler

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.default_int_handler(number, frame)

    def __enter__(self) -> Self:
        if self._listens:
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _say(message: str, code: int) -> int:
    click.echo(" ".join(message.split()), err=True)
    return code


def song_command(args: list[str]) -> str:
    """Return the command of `stemlive SONGS...`: the window if there can be one, unless options say how to play."""
    names = [Path(name) for name in takewhile(lambda word: not word.startswith("-"), args)]
    if len(names) == len(args) and not no_window():
        return "gui"
    return "play" if is_many(names) else "stream"


def _with_hint(error: click.ClickException, arguments: list[str]) -> str:
    """Return the message, with what may have been meant, and where the help is."""
    text = error.format_message()
    if choice := re.search(r"'([^']*)' is not one of (.*)", text):
        meant = did_you_mean(choice[1], re.findall(r"'([^']*)'", choice[2]))
        text += f" {meant[:1].upper()}{meant[1:]}".rstrip()
    if "unexpected extra argument" in text and "--json" in arguments:
        text += " --json takes no file: write --json > FILE."
    context = error.ctx if isinstance(error, click.UsageError) else None
    return text + (f" See {context.command_path} --help." if context else "")


def _describe(error: Exception) -> str:
    if isinstance(error, StemliveError):
        return str(error)
    if is_out_of_memory(error):
        return "not enough memory: close other programs, or raise the limit"
    if isinstance(error, ImportError) or "sndfile" in str(error):
        return _missing(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {error} (please report it with what --verbose prints)"


def _missing(error: Exception) -> str:
    """Say which library is missing or broken, without the advice that numpy wraps around it."""
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("stemlive"):
        from stemlive.extras import how_to_add

        return f"this needs {error.name}: {how_to_add('train')}"
    if not isinstance(error, ImportError):
        return f"libsndfile is missing ({error}): apt-get install libsndfile1, or brew install libsndfile"
    marker = "Original error was:"
    lines = [line.strip() for line in str(error).splitlines()]
    cause = next((line.removeprefix(marker).strip() for line in lines if line.startswith(marker)), lines[0])
    return f"a library cannot be loaded ({cause}): install stemlive again"


def _verbose_option() -> click.Option:
    def switch_on(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.obj["verbose"] = True

    return click.Option(
        ["--verbose"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=switch_on,
        help="Show the traceback of an error.",
    )


@click.group(
    "stemlive", cls=LazyGroup, params=[_verbose_option()], context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="stemlive", prog_name="stemlive", message="%(prog)s %(version)s")
def main() -> None:
    """Separate music into vocals, drums, bass and other while it plays.

    `stemlive SONGS...` opens songs, folders and lists in the window, or plays them right here where there is none.
    """
