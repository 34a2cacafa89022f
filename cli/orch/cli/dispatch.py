"""Runs the command that was asked for, and turns whatever ends it into an exit code and one error form.

Knows nothing of what commands do.
"""

from __future__ import annotations

import os

from orch.cli.console import Console
from orch.graph.errors import OrchError, StateError, UsageError, exit_code_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orch.cli.options import Options


def run(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Run one command line and return its exit code (design 3)."""
    environ = dict(os.environ if environ is None else environ)
    console = Console(_colour(arguments), environ)
    return guarded(console, lambda: _run(arguments, console, environ))


def guarded(console: Console, work: Callable[[], int]) -> int:
    """The exit code that `work` returns, or that of what ended it, which is said."""
    try:
        return work()
    except OrchError as error:
        console.error(error)
        return error.exit_code
    except (KeyboardInterrupt, BrokenPipeError, SystemExit) as error:
        return exit_code_of(error)
    except OSError as error:
        where = [("path", str(error.filename))] if error.filename else []
        reason = ("reason", error.strerror or str(error))
        console.error(StateError("the system refuses what this command needs", [*where, reason]))
        return exit_code_of(error)
    except ImportError as error:
        console.error(StateError("a part of orch or of Python cannot be loaded", [("reason", str(error))]))
        return exit_code_of(error)
    except RecursionError as error:
        console.error(UsageError("something is nested too deeply to be read"))
        return exit_code_of(error)
    except MemoryError as error:
        console.err("orch: error: there is not enough memory")
        return exit_code_of(error)
    except BaseException as error:
        import traceback

        from orch.graph.version import VERSION

        traceback.print_exc()
        console.err(f"orch: error: this is a bug of orch {VERSION}; please report it with the lines above")
        return exit_code_of(error)


def _run(arguments: Sequence[str], console: Console, environ: Mapping[str, str]) -> int:
    if "--version" in arguments[:1] or "-V" in arguments[:1]:
        from orch.graph.version import VERSION

        console.out(f"orch {VERSION}")
        return 0
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        console.out(_help())
        return 0
    from orch.cli.args import parse

    options = parse(arguments)._replace(argv=tuple(arguments))
    try:
        os.chdir(options.folder)
        os.getcwd()  # which fails where the current folder was removed
    except OSError as error:
        raise UsageError(f"cannot enter {options.folder}: {error.strerror}") from error
    code = _command(options, console, environ)
    if console.is_closed and code == 0 and options.command != "build":  # which has that in its records
        return 141
    return code


def _command(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    from importlib import import_module

    module = import_module(f"orch.cli.commands.{options.command}")
    return int(module.run(options, console, environ))


def _help() -> str:
    from orch.cli.args import COMMANDS

    lines = ["usage: orch COMMAND [FLAGS] [TARGET...]", ""]
    lines += [f"  {name:8} {what}" for name, what in COMMANDS.items()]
    return "\n".join([*lines, "", "`orch COMMAND --help` shows the flags of a command."])


def _colour(arguments: Sequence[str]) -> str:
    for index, word in enumerate(arguments):
        if word.startswith("--color="):
            return word.partition("=")[2]
        if word == "--color" and index + 1 < len(arguments):
            return arguments[index + 1]
    return "auto"
