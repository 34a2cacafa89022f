"""What a command line asks for, as one value. Knows nothing of how it is written."""

from __future__ import annotations

from orch.graph.value import NamedTuple


class Options(NamedTuple):
    """What was asked for, whichever the command."""

    command: str
    targets: tuple[str, ...] = ()
    args: tuple[str, ...] | None = None  # what follows `--`
    folder: str = "."
    file: str | None = None
    profile: str = ""
    jobs: int | None = None
    keep_going: bool = False
    dry_run: bool = False
    only: bool = False
    force: bool = False
    force_all: bool = False
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"
    exit_code: bool = False
    format: str = "text"
    state: bool = False
    all: bool = False
    max_size: int | None = None  # bytes
    max_age_s: float | None = None
    run: str = ""  # which run, "" = the state as it is
    trace: str = ""  # a file, "" = none
    limit: int | None = None
    keep: int | None = None
    target: str = ""
    output: str = ""  # a file, "" = standard output
    capture_bytes: int | None = None
    by: str = ""  # who says so
    note: str = ""
    sign: bool = False
    key: str = ""  # a file
    yes: bool = False
    check: bool = False
    argv: tuple[str, ...] = ()  # all of it, as it was given
    wait_s: float | None = None  # None = as long as it takes
    fix: bool = False
    patch: bool = False
    mode: str = ""  # "" = not said
    allow: tuple[tuple[str, str], ...] = ()  # permission and value
    reason: str = ""
