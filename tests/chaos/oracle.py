"""What has to hold after every trial: right outputs, a state that mends itself, records that tell the truth.

Knows nothing of how a project was disturbed.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.chaos.recipe import Files, Recipe
    from tests.chaos.stage import Ended, Stage

TERMINAL = ("succeeded", "failed", "interrupted")


def settle(stage: Stage, recipe: Recipe, *, repairs: int = 1) -> None:
    """All invariants: at most one more build repairs, the one after it runs nothing, records are true."""
    readable(stage)
    for _ in range(repairs):
        ended = stage.run("build")
        if ended.code:
            stage.violate(f"the repairing build exits {ended.code}: {ended.err[-1500:]}")
            return
    right_outputs(stage, recipe, "after the repairing build")
    stage.ran()  # counts what ran beside itself
    runs_nothing(stage)
    records(stage)
    no_litter(stage)
    stage.await_nothing_left()


def readable(stage: Stage) -> None:
    """`orch status --json` answers, whatever happened."""
    status = stage.run("status", "--json")
    if status.code:
        stage.violate(f"orch status exits {status.code}: {status.err[-800:]}")
        return
    try:
        json.loads(status.out)
    except ValueError as error:
        stage.violate(f"orch status --json does not parse: {error}")


def right_outputs(stage: Stage, recipe: Recipe, when: str) -> None:
    """The project holds its sources and what a clean build makes of them, and nothing else."""
    wanted = {**recipe.sources, **recipe.expected()}
    wanted["Orchfile.toml"] = recipe.orchfile(stage.count, stage.guards).encode()
    for difference in differences(stage.root, wanted):
        stage.violate(f"{when}: {difference}")


def differences(root: Path, wanted: Files, *, only: bool = False) -> list[str]:
    """How the files outside `.orch/` differ from the wanted; with `only`, others may be there too."""
    found: Files = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", ".orch")]
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
    wrong = [f"{path} is missing" for path in wanted if path not in found]
    if not only:
        wrong += [f"{path} is there" for path in found if path not in wanted]
    return wrong + [
        f"{path} holds {found[path][:60]!r} ({len(found[path])}), not {data[:60]!r} ({len(data)})"
        for path, data in wanted.items()
        if path in found and found[path] != data
    ]


def partly_right(stage: Stage, recipe: Recipe, targets: Iterable[str]) -> None:
    """A build of these targets that succeeded made what they and all they need make."""
    for difference in differences(stage.root, recipe.expected(targets), only=True):
        stage.violate(f"a build of {', '.join(targets)} succeeded, but {difference}")


def honest(stage: Stage, recipe: Recipe, ended: Ended) -> None:
    """A build that was disturbed either is right, or fails and says so."""
    if ended.code == 0:
        right_outputs(stage, recipe, "a disturbed build exits 0")
        return
    says = any(word in ended.err for word in ("orch: error: ", "FAILED"))
    if 0 < ended.code < 128 and not (says or ended.is_early):
        stage.violate(f"exit code {ended.code} without a message: {ended.err[-500:]!r}")


def runs_nothing(stage: Stage) -> None:
    """A further build finds everything fresh."""
    ended = stage.run("build", "--json")
    again = stage.ran()
    events = [json.loads(line) for line in ended.out.splitlines()]
    counts: dict[str, int] = events[-1].get("counts", {}) if events else {}
    if ended.code or again or counts.get("ran") or counts.get("restored"):
        stage.violate(
            f"the build after the repairing one exits {ended.code}, runs {dict(again)}, says {counts}"
        )


# -- records of runs ----------------------------------------------------------------------------------


def records(stage: Stage) -> None:
    """Every manifest is terminal and agrees with what we saw; metrics parse; the chain verifies."""
    for path in sorted((stage.root / ".orch" / "runs").glob("*/manifest.json")):
        for wrong in [] if is_harmed(stage, path) else wrong_in_manifest(path, stage.codes):
            stage.violate(f"{path.relative_to(stage.root)}: {wrong}")
    for path in (stage.root / ".orch" / "metrics.jsonl", stage.root / ".orch" / "runs" / "chain.ndjson"):
        for wrong in [] if is_harmed(stage, path) else wrong_lines(path):
            stage.violate(wrong)
    state = stage.root / ".orch" / "state.json"
    if state.exists() and not is_harmed(stage, state):
        try:
            json.loads(state.read_bytes())
        except ValueError as error:
            stage.violate(f".orch/state.json does not parse: {error}")
    if knows_runs(stage):
        done = stage.run("runs", "verify")
        is_evidence = any(path.startswith(".orch/runs/") for path in stage.harmed)
        if done.code not in ((0, 5) if is_evidence else (0,)):
            stage.violate(f"orch runs verify exits {done.code}: {done.out[-500:]}{done.err[-500:]}")


def is_harmed(stage: Stage, path: Path) -> bool:
    """Whether the trial itself damaged the file: a record that is damaged stays so, as evidence."""
    return str(path.relative_to(stage.root)) in stage.harmed


def wrong_in_manifest(path: Path, codes: dict[int, int]) -> list[str]:
    """What a manifest says that is not so; `codes` are exit codes by pid, as we saw them."""
    try:
        manifest: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        return [f"does not parse: {error}"]
    if not isinstance(manifest, dict):
        return ["is no object"]
    wrong = []
    status, code = manifest.get("status"), manifest.get("exit_code")
    if status not in TERMINAL:
        wrong.append(f"its status is {status}, and no build is running")
    if (status == "succeeded" and code != 0) or (status == "failed" and code == 0):
        wrong.append(f"its status is {status}, its exit code {code}")
    seen = codes.get(manifest.get("pid", 0))
    if seen is not None and seen >= 0 and code is not None and code != seen:
        wrong.append(f"its exit code is {code}, we saw {seen}")
    if manifest.get("run", path.parent.name) != path.parent.name:
        wrong.append(f"it is of the run {manifest['run']}")
    nodes = manifest.get("nodes", {})
    running = [name for name, node in nodes.items() if node.get("status") == "running"]
    if running and status in TERMINAL:
        wrong.append(f"{', '.join(running)} still runs in it")
    return wrong


def wrong_lines(path: Path) -> list[str]:
    """The lines of a file of JSON lines that do not parse."""
    wrong = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else (), start=1):
        try:
            json.loads(line)
        except ValueError:
            wrong.append(f"{path.name}:{number} does not parse: {line[:80]!r}")
    return wrong


_knows: dict[str, bool] = {}


def knows_runs(stage: Stage) -> bool:
    """Whether the installed orch has the command `runs`."""
    if stage.orch not in _knows:
        import subprocess

        done = subprocess.run([stage.orch, "runs", "--help"], capture_output=True, check=False)
        _knows[stage.orch] = done.returncode == 0
    return _knows[stage.orch]


# -- litter -------------------------------------------------------------------------------------------


def no_litter(stage: Stage) -> None:
    """No temporary file is left but in orch's own folders, whose sweeps remove it once it is a day old."""
    swept = []
    for found in (*litter(stage.root), *litter(stage.home)):
        if "/project/.orch/" in str(found) or "/home/state/orch/" in str(found):
            os.utime(found, (1e9, 1e9), follow_symlinks=False)
            swept.append(found)
        else:
            stage.violate(f"a temporary file is left: {found.relative_to(stage.folder)}")
    if swept:
        other = stage.folder / "other"
        other.mkdir()
        (other / "Orchfile.toml").write_text("version = 1\n[tasks.lone]\noutputs = []\ncmd = 'true'\n")
        stage.run("build", "--force", "lone")
        stage.run("cache", "gc")
        stage.run("build", "-C", str(other))  # a new project is where the user's own folder is swept
        stage.ran()
        for found in filter(os.path.lexists, swept):
            stage.violate(f"a temporary file is never removed: {found.relative_to(stage.folder)}")


def litter(folder: Path) -> list[Path]:
    """The temporary files below a folder."""
    return [found for found in sorted(folder.rglob("*.tmp")) if not found.is_dir()]
