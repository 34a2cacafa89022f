"""Every key of Orchfile version 1, in one table: it checks files and prints the JSON Schema (design 2).

Knows nothing of files on disk, nor of other Orchfiles.
"""

from __future__ import annotations

from orch.orchfile.goal_schema import MIRROR, GateKind
from orch.orchfile.kind import Capture, Choice, Duration, Flag, ListOf, OneOrMany, Scalar, Size, Text, Whole
from orch.orchfile.permission import GRANTED, NEEDED, ModeName
from orch.orchfile.table import Key, Names, Refused, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.orchfile.kind import Kind, Schema

VERSION = 1

_LATER = Refused("is not supported in this version yet")

_TEXT = Text()
_TEXTS = ListOf(_TEXT)
_ARGV = ListOf(_TEXT, least=1)
_SCRIPT = Text("a string or a list of strings", lines=True)
_PATHS = OneOrMany(Text("a string or a list of strings"), _TEXTS, as_list=True)
_USE = Choice((True, False, "local"))
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLES = ListOf(Text("the name of an environment variable", pattern=_VARIABLE))
_WILD_VARIABLES = ListOf(
    Text("the name of an environment variable, perhaps with `*`", pattern=r"[A-Za-z_*][A-Za-z0-9_*]*")
)


def _named(what: str, kind: Kind) -> Names:
    """Entries named as tasks are: no `:`, `[`, `@` or `/`, which mean something in targets."""
    hint = "names are letters, digits and `_`, then also `.` and `-`"
    return Names(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", what, hint, kind)


def _placeholders(what: str, kind: Kind) -> Names:
    """Entries that stand in templates."""
    hint = "names are letters, digits, `_` and `-`, and start with a letter or `_`"
    return Names(r"[A-Za-z_][A-Za-z0-9_-]*", what, hint, kind)


_ENV = Table(
    names=Names(
        _VARIABLE,
        "an environment variable",
        "names are letters, digits and `_`, and do not start with a digit",
        Text(lines=True, empty=True),
    )
)
_COMBINATION = Table(names=_placeholders("a matrix value", Scalar()))
_COMBINATIONS = ListOf(_COMBINATION, what="a list of tables")
_MATRIX = Table(
    {
        "exclude": Key(_COMBINATIONS, "Combinations that are left out; each names some of the values."),
        "include": Key(_COMBINATIONS, "Combinations beside the product of the lists."),
    },
    _placeholders("a matrix value", ListOf(Scalar(), what="a list of values", least=1, unique=True)),
)
_FOREACH = Table(
    names=_placeholders("a foreach file", OneOrMany(_SCRIPT._replace(lines=False), _ARGV)), most=1
)

_TASK = {
    "desc": Key(
        Text(empty=True), "What the task is for, in one line.", ("description", "summary", "help", "doc")
    ),
    "internal": Key(Flag(), "Not listed, and not part of a build without targets.", ("private", "hidden")),
    "cmd": Key(
        OneOrMany(_SCRIPT, _ARGV),
        "What runs: a string is a script for `shell`; a list is one argv, without a shell.",
        ("cmds", "command", "commands", "run", "script", "exec", "recipe"),
    ),
    "shell": Key(_ARGV, 'The argv that a string `cmd` is appended to; by default ["sh", "-eu", "-c"].'),
    "needs": Key(
        _TEXTS,
        "Tasks and milestones that must succeed first; the outputs of these tasks are inputs.",
        ("deps", "depends", "depends_on", "dependencies", "dependsOn", "requires", "prerequisites"),
    ),
    "after": Key(_TEXTS, "Tasks that go first if they were selected too.", ("order_only",)),
    "inputs": Key(
        _TEXTS,
        "Files, globs, `dir/` and `@task` that are read; `!pattern` excludes, `?path` is optional.",
        ("sources", "source", "srcs", "src", "in"),
    ),
    "outputs": Key(
        _TEXTS,
        "Files, globs and `dir/` that are made; [] makes the task a check.",
        ("generates", "targets", "target", "outs", "out", "products"),
    ),
    "modifies": Key(
        ListOf(_TEXT, least=1),
        "Files, globs and `dir/` that are changed in place; `!pattern` excludes, `?path` is optional.",
        ("edits", "in_place", "inplace"),
    ),
    "env": Key(_ENV, "Environment variables of the command.", ("environment",)),
    "env_file": Key(_PATHS, "Files of KEY=VALUE lines that add to `env`.", ("dotenv", "env_files")),
    "env_inputs": Key(_WILD_VARIABLES, "Variables taken from the caller; a changed value makes stale."),
    "pass_env": Key(_WILD_VARIABLES, "Variables taken from the caller that never make stale.", ("passenv",)),
    "secrets": Key(_VARIABLES, "Variables taken from the caller, redacted in logs and never stored."),
    "env_mode": Key(
        Choice(("strict", "loose")),
        '"strict": only declared variables are visible; "loose": all of the caller\'s.',
    ),
    "tools": Key(_TEXTS, "Programs found on PATH whose content is an input."),
    "cmd_inputs": Key(_TEXTS, "Shell commands that run on every build and whose output is an input."),
    "cwd": Key(
        _TEXT, "Where the command runs; by default the folder of this file.", ("dir", "workdir", "chdir")
    ),
    "matrix": Key(_MATRIX, "One instance for each combination of the listed values.", ("parallel",)),
    "foreach": Key(_FOREACH, "One instance for each file that matches.", ("for_each", "for", "each")),
    "depfile": Key(_TEXT, "A file in make format that the command writes: the inputs it discovered."),
    "pool": Key(_TEXT, "The pool in `[pools]` that limits how many run at once."),
    "slots": Key(Whole(1, 10_000), "How many of the parallel jobs it takes.", ("weight",)),
    "exclusive": Key(Flag(), "Runs beside nothing else."),
    "interactive": Key(Flag(), "Uses the terminal; not logged.", ("tty",)),
    "timeout": Key(Duration(), "How long it may run before it is stopped and failed."),
    "grace": Key(Duration(), "How long it has between being asked to stop and being killed."),
    "retries": Key(Whole(0, 1_000), "How often it is tried again after a failure.", ("retry", "attempts")),
    "retry_delay": Key(Duration(), "How long to wait before trying again."),
    "allow_failure": Key(Flag(), "Its failure does not fail the run.", ("ignore_error", "ignore_errors")),
    "always": Key(Flag(), "Runs in every build that selects it.", ("phony", "force")),
    "cache": Key(
        _USE,
        'false: results are neither kept nor restored; "local": kept on this machine only; true: kept even'
        " if the task has secrets and others share the cache.",
    ),
    "incremental": Key(Flag(), "Outputs are kept for the command to update."),
    "permissions": Key(NEEDED, "What the command needs beyond its inputs and outputs.", ("permission",)),
    "mode": Key(ModeName(), 'Where the command runs: "local" or "sandbox".'),
    "relocatable": Key(
        Flag(),
        "true: results hold in every working tree; false: in this one alone. By default the latter if an"
        " output or the log holds the absolute path of the root.",
    ),
    "allow_empty": Key(Flag(), "Globs of `inputs` may match nothing."),
}
_OWN = Refused("is each task's own and cannot stand in [defaults]")
_DEFAULTS = {
    name: key._replace(kind=_OWN)
    if name in ("cmd", "needs", "after", "inputs", "outputs", "modifies", "matrix", "foreach")
    else key
    for name, key in _TASK.items()
}
_ONE_TASK = Table(
    _TASK,
    required={"cmd": "a group of tasks is a milestone: [milestones.NAME] with `needs`"},
    together={"inputs": (("outputs", "modifies"), "a check, which makes no files, says `outputs = []`")},
)
_MILESTONE = {
    "desc": _TASK["desc"],
    "needs": Key(_TEXTS, "Tasks and milestones that must be fresh.", _TASK["needs"].aka),
    "gates": Key(ListOf(_TEXT, unique=True), "Gates that must hold.", ("gate",)),
    "mirrors": Key(ListOf(MIRROR, "a list of tables"), "Files that show the milestone's facts.", ("mirror",)),
}
_PROFILE = {
    "jobs": Key(Whole(1, 10_000), "How many tasks run at once."),
    "keep_going": Key(Flag(), "After a failure, build what does not depend on it."),
    "env": Key(_ENV, "Environment variables of all tasks."),
    "mode": Key(ModeName(), "Where commands run; it goes before what tasks say."),
    "modifies": Key(Choice(("fail",)), '"fail": a task that changed a file in place has failed.'),
    "cache": Key(_USE, "false: no result is kept or restored; it goes before what tasks say."),
    "permissions": Key(GRANTED, "What tasks may need; a run that needs more does not start.", ("grants",)),
}
_CACHE = {
    "dir": Key(_TEXT, "The folder; by default `orch/` in git's own, which all worktrees share."),
    "max_entry": Key(Size(), "A result that is larger is not kept."),
    "max_size": Key(Size(), "When there is more, what was unused for longest goes."),
    "max_age": Key(Duration(), "A result that was unused for so long goes."),
}
_RUNS = {
    "capture": Key(Capture(), "How much of its events a run embeds in its manifest; none by default."),
    "keep": Key(Whole(1, 1_000_000), "How many runs are kept, the newest ones."),
    "max_age": Key(Duration(), "Records of runs that began longer ago go."),
}

ORCHFILE = Table(
    {
        "version": Key(Whole(VERSION, VERSION), "The version of this format."),
        "default": Key(_TEXTS, "What a build without targets builds; root only."),
        "tasks": Key(
            Table(names=_named("a task", _ONE_TASK)),
            "Units of work.",
            ("task", "targets", "rules", "scripts", "jobs"),
        ),
        "milestones": Key(Table(names=_named("a milestone", Table(_MILESTONE))), "Named goals.", ("goals",)),
        "defaults": Key(Table(_DEFAULTS), "Keys for all tasks of this file; the task's own value wins."),
        "vars": Key(
            Table(
                names=_placeholders("a variable", OneOrMany(Scalar(lines=True), ListOf(Scalar(lines=True))))
            ),
            "Values for `{{ vars.NAME }}` in this file.",
            ("variables",),
        ),
        "shell": Key(_ARGV, "The shell of all string commands of this file."),
        "env": Key(_ENV, "Environment variables of all tasks; root only.", ("environment",)),
        "env_file": Key(_PATHS, "Files of KEY=VALUE lines that add to `env`; root only.", ("dotenv",)),
        "pools": Key(
            Table(names=_named("a pool", Whole(1, 10_000))),
            "How many tasks of a pool run at once; root only.",
        ),
        "profiles": Key(Table(names=_named("a profile", Table(_PROFILE))), "Presets for a run; root only."),
        "includes": Key(
            Table(names=_named("an included file", _TEXT)),
            "Other Orchfiles, and the scope their names get: `web:build`.",
            ("include",),
        ),
        "gates": Key(Table(names=_named("a gate", GateKind())), "Conditions of milestones.", ("gate",)),
        "hooks": Key(_LATER, "What git hooks build."),
        "cache": Key(Table(_CACHE), "Where results are kept, and how many; root only."),
        "runs": Key(Table(_RUNS), "How much is kept of earlier runs; root only."),
    },
    required={"version": f"start the file with `version = {VERSION}`"},
)
ROOT_ONLY = ("default", "env", "env_file", "pools", "profiles", "cache", "runs")


def json_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of an Orchfile."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Orchfile.toml, version {VERSION}",
        **ORCHFILE.schema(),
    }
