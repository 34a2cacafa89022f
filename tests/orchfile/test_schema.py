"""One table checks files and describes them: its verdicts, its messages, its JSON Schema."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orch.graph.errors import OrchfileError
from orch.orchfile.declaration import Source
from orch.orchfile.kind import At
from orch.orchfile.problems import Problems
from orch.orchfile.schema import ORCHFILE, json_schema

if TYPE_CHECKING:
    from orch.graph.errors import Problem

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GOOD = '''
version = 1
default = ["all"]
shell = ["bash", "-euc"]
env_file = ".env"
[vars]
flags = ["-O2", "-g"]
level = 3
text = """
two
lines"""
[env]
LANG = "C"
EMPTY = ""
[pools]
link = 2
[includes]
web = "web/Orchfile.toml"
[defaults]
timeout = "10m"
[profiles.ci]
jobs = 4
modifies = "fail"
keep_going = true
env = {CI = "1"}
[tasks.cc]
desc = ""
cmd = """
cc -c {{ src }}
	true"""
foreach = {src = "src/*.c"}
inputs = ["{{ src }}", "@gen", "?x", "!y"]
outputs = ["build/{{ src.stem }}.o"]
timeout = "1.5s"
grace = "500ms"
retry_delay = "2h"
retries = 2
cache = false
env_inputs = ["CC", "CFLAGS_*"]
env_mode = "loose"
[tasks."a.b-c_1"]
cmd = ["cp", "{{ inputs }}", "x"]
matrix = {py = ["3.11", 12, true], os = ["a"], exclude = [{py = 12}], include = [{py = "x", os = "b"}]}
[tasks.fmt]
cmd = "fmt"
inputs = ["fmt.toml"]
modifies = ["src/**/*.c", "!src/gen/", "?x"]
[milestones.all]
desc = "everything"
needs = ["cc"]
gates = ["tested", "small", "read"]
mirrors = [{file = "TASKS.md", auto = true}, {file = "x.json", kind = "json"}]
[gates.tested]
kind = "check"
needs = ["cc"]
enforce = false
[gates.small]
kind = "metric"
file = "size.json"
require = ["total >= 1", '"a.b".c < 2e3']
[gates.read]
kind = "approval"
approvers = ["a@b.c", "B <b@b.c>"]
require = 2
evidence = ["docs/*.md", "@cc"]
lapses = "30d"
signed = true
'''


def check(text: str) -> tuple[dict[str, Any], list[Problem]]:
    problems = Problems()
    table = ORCHFILE.check(tomllib.loads(text), At(problems, Source("Orchfile.toml", ".", "", text, {})))
    assert isinstance(table, dict)
    try:
        problems.raise_if_any()
    except OrchfileError as error:
        return table, list(error.problems)
    return table, []


def only(text: str) -> Problem:
    """The only problem of a text; `version` is added."""
    _, found = check(f"version = 1\n{text}")
    assert len(found) == 1, found
    return found[0]


def gate(kind: str, lines: str) -> str:
    return f"[gates.g]\nkind = '{kind}'\n{lines}"


def task(line: str) -> str:
    return f"[tasks.t]\ncmd = 'x'\n{line}"


def test_a_good_file_comes_out_in_its_shapes() -> None:
    table, found = check(GOOD)
    assert not found
    cc = table["tasks"]["cc"]
    assert (cc["timeout"], cc["grace"], cc["retry_delay"]) == (1.5, 0.5, 7200.0)
    assert table["defaults"] == {"timeout": 600.0}
    assert table["env_file"] == [".env"]
    assert table["vars"]["level"] == "3"
    assert table["tasks"]["a.b-c_1"]["matrix"]["py"] == ["3.11", "12", "true"]


@pytest.mark.parametrize(
    ("text", "line", "sentence", "hint"),
    [
        (task("inpts = []"), 4, "unknown key `inpts` in `tasks.t`", "did you mean `inputs`?"),
        (task("deps = []"), 4, "unknown key `deps` in `tasks.t`", "did you mean `needs`?"),
        (task("zzz = 1"), 4, "unknown key `zzz` in `tasks.t`", ""),
        ("[task.t]\ncmd = 'x'", 2, "unknown key `task` in the file", "did you mean `tasks`?"),
        (task("timeout = 30"), 4, "`timeout` must be a duration", "in quotes, with its unit"),
        (task("timeout = '30'"), 4, "found `30`", ""),
        (task("retries = -1"), 4, "`retries` must be a whole number from 0", ""),
        (task("retries = true"), 4, "found true", ""),
        (task("always = 'true'"), 4, "`always` must be true or false, found a string", "without quotes"),
        (task("needs = 'a'"), 4, "`needs` must be a list of strings, found a string", "brackets"),
        (task("needs = ['a', 3]"), 4, "`needs[1]` must be a string, found a whole number", "quotes"),
        (task("needs = ['']"), 4, "`needs[0]` is empty", ""),
        (task("inputs = ['a']"), 4, "`inputs` needs `outputs` beside it", "outputs = []"),
        (task("env_mode = 'lose'"), 4, '`env_mode` must be "strict" or "loose"', ""),
        (task("cache = 'far'"), 4, '`cache` must be true or false or "local", found `far`', ""),
        (task("cache = 0"), 4, '`cache` must be true or false or "local", found a whole number', ""),
        (task("modifies = []"), 4, "`modifies` is empty", ""),
        (task("modifies = 'a'"), 4, "`modifies` must be a list of strings, found a string", "brackets"),
        (task("permissions = []"), 4, "`permissions` must be a table, found a list", ""),
        (
            task("permissions = {writes = []}"),
            4,
            "unknown key `writes` in `permissions`",
            "did you mean `edit`?",
        ),
        (
            task("permissions = {netwrk = true}"),
            4,
            "unknown key `netwrk` in `permissions`",
            "did you mean `network`?",
        ),
        (
            task("permissions = {network = []}"),
            4,
            "`permissions.network` must be true or false, found a list",
            "",
        ),
        (
            task("permissions = {read = true}"),
            4,
            "`permissions.read` must be a list of strings, found true",
            "",
        ),
        (
            task("permissions = {read = ['!a']}"),
            4,
            "`permissions.read[0]` must be a path, a glob or `dir/`, found `!a`",
            "",
        ),
        (task("mode = 'remote'"), 4, "`mode`: remote is not supported in this version yet", ""),
        (task("mode = 1"), 4, '`mode` must be "local" or "sandbox", found a whole number', ""),
        (task("relocatable = 1"), 4, "`relocatable` must be true or false, found a whole number", ""),
        (task("env = {A = 1}"), 4, "`env.A` must be a string", "quotes"),
        (task("env = {'A-B' = 'x'}"), 4, "`A-B` cannot name an environment variable", ""),
        (task("matrix = {py = [3.10]}"), 4, "`matrix.py[0]` must be a string", "3.10 means 3.1"),
        (task("matrix = {py = []}"), 4, "`matrix.py` is empty", ""),
        (task("matrix = {py = ['1', 1]}"), 4, "`matrix.py[1]` stands in the list twice", ""),
        (task("foreach = {a = '*', b = '*'}"), 4, "`foreach` has more than 1 entry", ""),
        (task('desc = "a\\u001bb"'), 4, "`desc` holds the control character U+001B", ""),
        (task('cwd = "a\\u0000"'), 4, "`cwd` holds the control character U+0000", ""),
        (task('outputs = ["a\\nb"]'), 4, "`outputs[0]` holds the control character U+000A", ""),
        ('[tasks.t]\ncmd = "a\\u0000"', 3, "`cmd` holds the control character U+0000", ""),
        ("[tasks.t]\ncmd = []", 3, "`cmd` is empty", ""),
        ("[tasks.t]\ncmd = 3", 3, "`cmd` must be a string or a list of strings", ""),
        ("[tasks.t]\ndesc = 'x'", 2, "`tasks.t` has no `cmd`", "milestone"),
        ("[tasks.'a b']\ncmd = 'x'", 2, "`a b` cannot name a task", "names are letters"),
        ("[tasks.'a:b']\ncmd = 'x'", 2, "`a:b` cannot name a task", ""),
        ("tasks = 3", 2, "`tasks` must be a table, found a whole number", ""),
        ("tasks.t = 1979-05-27", 2, "`tasks.t` must be a table, found a date or time", ""),
        ("[defaults]\ncmd = 'x'", 3, "`defaults.cmd` is each task's own", ""),
        ("[defaults]\nmodifies = []", 3, "`defaults.modifies` is each task's own", ""),
        ("[profiles.ci]\nmodifies = 'apply'", 3, '`modifies` must be "fail", found `apply`', ""),
        (
            "[profiles.ci]\nmode = 'sandbx'",
            3,
            '`mode` must be "local" or "sandbox", found `sandbx`',
            'did you mean "sandbox"?',
        ),
        (
            "[profiles.ci]\npermissions = {run = 'gcc'}",
            3,
            "`permissions.run` must be true, false or a list of strings, found a string",
            "put it in brackets: [...]",
        ),
        ("[pools]\nlink = 0", 3, "`pools.link` must be a whole number from 1", ""),
        ("[gates.g]\nkind = 'check'", 2, '`gates.g` has no `needs`, which kind = "check" needs', ""),
        ("[gates.g]\nneeds = ['a']", 2, "`gates.g` has no `kind`", 'one of "check"'),
        ("[gates.g]\nkind = 'vote'", 3, '`kind` must be "check" or "metric" or "approval"', ""),
        (gate("check", "needs = []"), 4, "`needs` is empty", ""),
        (gate("check", "needs = ['a']\nfile = 'x'"), 5, '`file` means nothing where kind = "check"', ""),
        (gate("check", "needs = ['a']\nrequire = 2"), 5, '`require` means nothing where kind = "check"', ""),
        (gate("metric", "file = 'x'"), 2, "`gates.g` has no `require`", ""),
        (
            gate("metric", "file = 'x'\nrequire = 'a'"),
            5,
            "`require[0]` must be a condition",
            "a key with dots",
        ),
        (gate("metric", "file = 'x'\nrequire = 3"), 5, "`require` must be a list of conditions", ""),
        (gate("approval", "approvers = []\nlapses = 'never'"), 4, "`approvers` is empty", ""),
        (gate("approval", "approvers = ['bob']\nlapses = 'never'"), 4, "must be an e-mail address", ""),
        (
            gate("approval", "approvers = ['a@b.c']"),
            2,
            "lapses when its evidence changes, and has none",
            "never",
        ),
        (
            gate("approval", "approvers = ['a@b.c', 'A <A@B.c>']\nlapses = '1d'"),
            4,
            "a@b.c stands in the list twice",
            "",
        ),
        (gate("approval", "approvers = ['a@b.c']\nlapses = 'soon'"), 5, '`lapses` must be "on-change"', ""),
        (gate("approval", "approvers = ['a@b.c']\nlapses = '0d'"), 5, "`lapses` is no time at all", ""),
        (
            gate("approval", "approvers = ['a@b.c']\nlapses = '1d'\nrequire = 2"),
            6,
            "2 approvals are needed, but there are 1 approvers",
            "",
        ),
        (
            "[gates.g]\nkind = 'check'\nneeds = ['a']\nenforced = false",
            5,
            "unknown key `enforced`",
            "`enforce`",
        ),
        ("[hooks.pre-commit]", 2, "`hooks` is not supported in this version yet", ""),
        ("[cache]\nmax_size = '10 apples'", 3, "`cache.max_size`", ""),
        ("[cache]\nmax_age = 3", 3, "`cache.max_age`", ""),
        ("[runs]\nkeep = 0", 3, "`runs.keep` must be a whole number from 1 to 1000000", ""),
        (
            '[runs]\ncapture = "some"',
            3,
            '`runs.capture` must be "none", "bounded" or "bounded=SIZE", found `some`',
            "",
        ),
        (
            '[runs]\ncapture = "bounded=much"',
            3,
            '`runs.capture` must be "none", "bounded" or "bounded=SIZE"',
            "",
        ),
        ("[milestones.m]\ngates = ['g', 'g']", 3, "`gates[1]` stands in the list twice", ""),
        ("[milestones.m]\nmirrors = [{kind = 'json'}]", 3, "`mirrors[0]` has no `file`", ""),
        (
            "[milestones.m]\nmirrors = [{file = 'x', kind = 'html'}]",
            3,
            'must be "markdown" or "json"',
            "",
        ),
        (f"[vars]\nx = 0x{'f' * 9000}", 3, "`vars.x` is too large a number", ""),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(text: str, line: int, sentence: str, hint: str) -> None:
    found = only(text)
    assert sentence in found.sentence
    assert hint in found.hint
    assert found.line == line
    assert found.column > 0


def test_a_key_that_may_not_stand_there_is_shown_itself() -> None:
    shown = [only(task(line)).text for line in ("inputs = ['a']", "mod = 'a'", "inpts = ['a']")]
    assert shown == ["inputs", "mod", "inpts"]


@pytest.mark.parametrize("text", ["", "version = '1'", "version = true", "version = 0"])
def test_version_is_needed(text: str) -> None:
    _, found = check(text)
    assert len(found) == 1
    assert "version" in found[0].sentence


def test_all_problems_at_once_and_wrong_keys_are_left_out() -> None:
    table, found = check(
        f"version = 1\n{task('timeout = 1' + chr(10) + 'x = 2' + chr(10) + 'slots = 2')}\n[nope]"
    )
    assert [problem.line for problem in found] == [4, 5, 7]
    assert table["tasks"]["t"] == {"cmd": "x", "slots": 2}


def test_ten_thousand_unknown_keys_get_a_bounded_number_of_hints() -> None:
    _, found = check("version = 1\n" + "\n".join(f"versio{index} = 1" for index in range(10_000)))
    assert len(found) == 10_000
    assert 0 < sum(bool(problem.hint) for problem in found) <= 100


def test_json_schema_accepts_and_refuses_as_the_check_does() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(json_schema())
    validator = jsonschema.Draft202012Validator(json_schema())
    assert list(validator.iter_errors(tomllib.loads(GOOD))) == []
    for example in EXAMPLES.glob("*/Orchfile.toml"):
        assert list(validator.iter_errors(tomllib.loads(example.read_text()))) == [], example
    for text in (
        task("inpts = []"),
        task("timeout = '30'"),
        task("inputs = []"),
        task("cache = 0"),
        task("modifies = []"),
        "[defaults]\ncmd = 'x'",
        "[tasks.t]\ndesc = 'x'",
        "[tasks.'a b']\ncmd = 'x'",
        "[hooks]",
        "[gates.g]",
        gate("check", "needs = ['a']\nfile = 'x'"),
    ):
        only(text)
        assert list(validator.iter_errors(tomllib.loads(f"version = 1\n{text}"))), text


def test_every_key_is_described() -> None:
    def described(schema: dict[str, Any]) -> None:
        for name, entry in schema.get("properties", {}).items():
            assert entry["description"].endswith("."), name
            described(entry)
        for entry in schema.get("patternProperties", {}).values():
            described(entry)

    described(json_schema())
