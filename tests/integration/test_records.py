"""What a run leaves behind: manifest, events, metrics, latest state, who may read them (design 6)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import manifests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Project
    from tests.integration.conftest import Scene

ORCHFILE = """
    version = 1
    [tasks.a]
    inputs = ["in"]
    outputs = ["a"]
    env_inputs = ["CC"]
    cmd = "echo from a; cp in a"
    [tasks.b]
    inputs = ["a"]
    outputs = ["b"]
    cmd = "cp a b"
    [tasks.c]
    inputs = ["b"]
    outputs = ["c"]
    cmd = "test ! -e fail; cp b c"
    [tasks.d]
    inputs = ["c"]
    outputs = ["d"]
    cmd = "cp c d"
"""


def events(project: Project, run: str) -> list[dict[str, Any]]:
    """The events of a run."""
    return [json.loads(line) for line in project.read(f".orch/runs/{run}/events.ndjson").splitlines()]


def sha256(project: Project, path: str) -> str:
    """The digest of a file."""
    return hashlib.sha256((project.root / path).read_bytes()).hexdigest()


def test_a_manifest_says_what_happened(project: Project) -> None:
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    project.write("fail", "")
    project.run("build", "-j1", expect=1, CC="gcc")
    (found,) = manifests(project)
    assert (found["status"], found["exit_code"], found["error"]) == ("failed", 1, None)
    assert (found["argv"], found["root"]) == (["orch", "build", "-j1"], str(project.root))
    assert found["orchfile"] == {"path": "Orchfile.toml", "digest": f"f:{sha256(project, 'Orchfile.toml')}"}
    assert found["counts"]["ran"] == 2
    assert found["mode"] == {"value": "local", "from": "default", "enforced": False}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found["started"])
    assert found["started"] < found["ended"]
    nodes = found["nodes"]
    assert {name: node["status"] for name, node in nodes.items()} == {
        "a": "ok",
        "b": "ok",
        "c": "failed",
        "d": "skipped",
    }
    assert nodes["d"] == {"status": "skipped", "because": "c"}
    assert nodes["a"]["outputs"] == {"a": f"f:{sha256(project, 'a')}"}
    assert nodes["a"]["log_sha256"] == sha256(project, nodes["a"]["log"])
    assert (nodes["a"]["log_bytes"], "log" in nodes["b"]) == (7, False)
    assert nodes["a"]["reasons"] == [{"kind": "new", "text": "it was never built"}]
    parts = [tuple(found["parts"][number]) for number in nodes["a"]["parts"]]
    assert ("env:CC", "gcc") in parts
    assert ("input:in", f"f:{sha256(project, 'in')}") in parts
    assert found["events"]["sha256"] == sha256(project, f".orch/runs/{found['run']}/events.ndjson")


def test_it_says_what_changed_and_what_was_restored(project: Project) -> None:
    project.orchfile(ORCHFILE)
    for text in ("1", "2", "1"):
        project.write("in", text)
        project.build()
    first, second, third = manifests(project)
    (reason,) = second["nodes"]["a"]["reasons"]
    assert (reason["kind"], reason["part"]) == ("part", "input:in")
    assert reason["old"] != reason["new"]
    assert {node["status"] for node in third["nodes"].values()} == {"restored"}
    assert {node["from_run"] for node in third["nodes"].values()} == {first["run"]}
    assert third["previous"]["run"] == second["run"]
    path = f".orch/runs/{second['run']}/manifest.json"
    assert third["previous"]["sha256"] == sha256(project, path)


def test_the_events_are_complete(project: Project) -> None:
    project.orchfile(ORCHFILE)
    project.write("in", "1")
    project.build()
    (found,) = manifests(project)
    told = events(project, found["run"])
    assert [event["type"] for event in told] == [
        "run_started",
        *["node_started", "node_finished"] * 4,
        "run_finished",
    ]
    assert [event["t"] for event in told] == sorted(event["t"] for event in told)
    assert {e["node"]: e["entry"] for e in told if e["type"] == "node_finished"} == found["nodes"]
    assert [part for event in told for part in event.get("new_parts", ())] == found["parts"]


def test_metrics_do_not_grow_with_what_is_fresh(project: Project) -> None:
    count = 300
    project.orchfile("""
        version = 1
        [tasks.each]
        cache = false
        foreach = { src = "src/*" }
        inputs = ["{{ src }}"]
        outputs = ["out/{{ src.name }}"]
        cmd = ["cp", "{{ src }}", "out/{{ src.name }}"]
    """)
    for number in range(count):
        project.write(f"src/{number}", "1")
    project.build()
    project.write("src/7", "2")
    project.build()
    first, second = project.read(".orch/metrics.jsonl").splitlines()
    assert len(first) <= 1024
    assert len(second) <= 300
    assert json.loads(second)["ran"] == 1
    assert json.loads(second)["fresh"] == count - 1
    assert list(manifests(project)[-1]["nodes"]) == ["each[src/7]"]


def test_the_latest_state(scene: Scene) -> None:
    project = scene.project
    project.orchfile(f"""
        version = 1
        [tasks.a]
        outputs = ["a"]
        cmd = "touch begun; {scene.gate("go")}; touch a; exit 3"
    """)
    build = project.start("build")
    scene.await_file("begun")
    latest = project.root / ".orch/state.json"
    scene.eventually(
        lambda: latest.exists() and json.loads(latest.read_text())["running"] == ["a"], "it runs a"
    )
    found = json.loads(latest.read_text())
    assert (found["status"], found["pid"]) == ("running", build.pid)
    scene.open("go")
    assert scene.end(build)[0] == 1
    found = json.loads(project.read(".orch/state.json"))
    assert (found["status"], found["exit_code"], found["running"]) == ("failed", 1, [])
    assert found["not_succeeded"] == {"a": {"status": "failed", "failure": "exit code 3"}}
    assert project.exists(found["manifest"])


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_all_of_it_is_the_users_alone(project: Project, umask: int) -> None:
    project.orchfile(ORCHFILE)
    before = os.umask(umask)
    try:
        project.write("fail", "")
        project.write("in", "1")
        project.run("build", expect=1)
        project.remove("fail")
        for _ in range(3):
            project.build()
    finally:
        os.umask(before)
    found: dict[str, int] = {}
    for folder, folders, files in os.walk(project.root / ".orch"):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            found[os.path.relpath(path, project.root)] = stat.S_IMODE(os.lstat(path).st_mode)
    wrong = {path: oct(mode) for path, mode in found.items() if mode not in (0o600, 0o700)}
    assert wrong == {}
    assert stat.S_IMODE((project.root / "a").stat().st_mode) == 0o666 & ~umask


def test_secrets_are_in_no_record(project: Project) -> None:
    secret = 'sword"fish-\\42é'
    project.orchfile("""
        version = 1
        [tasks.a]
        outputs = ["a"]
        secrets = ["PASSWORD"]
        cmd = 'echo "$PASSWORD" | cut -c1-7 >&2; echo "$PASSWORD"; (exec -a "$PASSWORD" sleep 1 &); exit 1'
        [tasks.b]
        inputs = ["?x"]
        outputs = ["b"]
        secrets = ["PASSWORD"]
        cmd_inputs = ["echo $PASSWORD >&2; exit 1"]
        shell = ["bash", "-c"]
        cmd = "true {{ args }}"
    """)
    project.run("build", "-k", expect=1, PASSWORD=secret)
    project.run("build", "b", "--", secret, PASSWORD=secret)
    escaped = json.dumps(secret)[1:-1]
    for folder, _, files in os.walk(project.root / ".orch"):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            for form in (secret, escaped):
                assert form.encode() not in data, f"{name} holds the secret"
    assert any("***" in word for word in manifests(project)[-1]["argv"])


AUDITED = """
import os, sys
before = dict(os.environ)
seen = []
sys.addaudithook(lambda name, args: seen.append(name) if name in ("os.putenv", "os.unsetenv") else None)
real = os._exit
import posix
def leave(code):
    assert dict(os.environ) == before, "os.environ was changed"
    assert not seen, seen
    real(code)
posix._exit = os._exit = leave
from orch.cli.main import main
main()
"""


@pytest.mark.parametrize("code", [0, 1])
def test_the_environment_of_orch_itself_never_changes(project: Project, code: int) -> None:
    project.orchfile(f"""
        version = 1
        env = {{ FROM_FILE = "1" }}
        [tasks.a]
        outputs = ["a"]
        env = {{ FROM_TASK = "2" }}
        secrets = ["PASSWORD"]
        cmd_inputs = ["echo fact"]
        cmd = "touch a; exit {code}"
    """)
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, "build"],
        cwd=project.root,
        env=project.environment(PASSWORD="swordfish"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr


def test_one_thread_writes_every_document(
    project: Project, need: Callable[[str], str], tmp_path: Path
) -> None:
    """Of a real build: which calls open manifest and state for writing, from where, and how often."""
    strace = need("strace")
    count = 60
    project.orchfile("""
        version = 1
        [tasks.each]
        cache = false
        foreach = { src = "src/*" }
        inputs = ["{{ src }}"]
        outputs = ["out/{{ src.name }}"]
        cmd = ["cp", "{{ src }}", "out/{{ src.name }}"]
    """)
    for number in range(count):
        project.write(f"src/{number}", "1")
    trace = tmp_path / "trace"
    calls = "openat,rename,renameat,renameat2,unlink,fsync"
    orch = [sys.executable, "-m", "orch", "build", "-j2"]
    command = [strace, "-f", "-y", "-qq", "-o", str(trace), "-e", f"trace={calls}", *orch]
    done = subprocess.run(command, cwd=project.root, env=project.environment(), check=False)
    if done.returncode:
        pytest.skip("strace may not trace here")
    lines = trace.read_text().splitlines()
    documents = [line for line in lines if re.search(r"(manifest|state)\.json", line)]
    opened = [line for line in documents if "openat(" in line and re.search(r"O_(WRONLY|RDWR)", line)]
    assert opened
    assert all(re.search(r"\.json\.[0-9a-f]{16}\.tmp\", [^)]*O_EXCL", line) for line in opened), opened
    assert len({line.split()[0] for line in documents}) == 1, "more than one thread"
    renamed = [line for line in documents if "rename" in line]
    seconds = manifests(project)[0]["duration_s"]
    assert 3 <= len(renamed) <= 2 * (2 + seconds)
    last = [line for line in documents if "manifest.json" in line][-3:]
    assert [re.sub(r".* (\w+)\(.*", r"\1", line) for line in last][1:] == ["fsync", "rename"], last
    assert len(manifests(project)[0]["nodes"]) == count


def test_bounded_capture_counts_what_it_leaves_out(project: Project) -> None:
    project.orchfile("""
        version = 1
        [defaults]
        cache = false
        [tasks.each]
        foreach = { src = "src/*" }
        inputs = ["{{ src }}"]
        outputs = ["out/{{ src.name }}"]
        cmd = "head -c 30000 /dev/zero | tr '\\\\0' x; cp {{ src }} {{ outputs }}"
    """)
    for number in range(20):
        project.write(f"src/{number}", "1")
    project.build("--capture", "bounded=40kB", "-q")
    (found,) = manifests(project)
    capture = found["capture"]
    kept = sum(len(json.dumps(event, separators=(",", ":"))) for event in capture["excerpt"])
    assert kept <= capture["limit_bytes"] == 40000
    told = events(project, found["run"])
    assert capture["events"] == len(told) + 20
    assert capture["events_left_out"] == capture["events"] - len(capture["excerpt"])
    assert capture["output_bytes"] + capture["output_bytes_left_out"] == 20 * 30000
    assert capture["excerpt"][0] == told[0]
    assert capture["excerpt"][-1] == told[-1]
    assert {os.path.getsize(project.root / node["log"]) for node in found["nodes"].values()} == {30000}


def test_endless_output_does_not_fill_the_memory(project: Project) -> None:
    project.orchfile("""
        version = 1
        [tasks.quiet]
        cmd = "true"
        [tasks.loud]
        cmd = "yes | head -c 200000000"
    """)
    quiet, loud = (peak_rss(project, "build", "--capture", "bounded", task) for task in ("quiet", "loud"))
    assert loud - quiet < 50 << 20
    capture = manifests(project)[-1]["capture"]
    assert capture["output_bytes"] + capture["output_bytes_left_out"] == 200_000_000
    node = manifests(project)[-1]["nodes"]["loud"]
    assert os.path.getsize(project.root / node["log"]) == node["log_bytes"] == 200_000_000


def peak_rss(project: Project, *args: str) -> int:
    """The most memory, in bytes, that `orch ARGS` itself had."""
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(
            [sys.executable, "-m", "orch", *args],
            cwd=project.root,
            env=project.environment(),
            stdout=nowhere,
            stderr=nowhere,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.parametrize("how", ["", "all", "bounded=", "bounded=0", "bounded=many"])
def test_a_wrong_capture(project: Project, how: str) -> None:
    project.orchfile(ORCHFILE)
    assert "--capture takes" in project.run("build", f"--capture={how}", expect=2).err


def test_the_orchfile_asks_for_capture(project: Project) -> None:
    """In a build of everything, and in one that starts from a snapshot."""
    project.orchfile(ORCHFILE.replace("version = 1", 'version = 1\n[runs]\ncapture = "bounded=64KiB"'))
    for text in ("1", "2"):
        project.write("in", text)
        project.build()
        project.build()
    project.write("in", "3")
    project.build("--capture", "none")
    found = [(one["capture"] or {}).get("limit_bytes") for one in manifests(project)]
    assert found == [65536, 65536, None]


def test_old_runs_go_by_themselves(project: Project) -> None:
    """Once there is a tenth more than `keep`; what their nodes' records name stays."""
    project.orchfile("""
        version = 1
        [runs]
        keep = 10
        [tasks.once]
        outputs = ["once"]
        cmd = "echo once; touch once"
        [tasks.a]
        inputs = ["in"]
        outputs = ["a"]
        cache = false
        cmd = "cp in a"
    """)
    for number in range(12):
        project.write("in", f"{number}")
        project.build()
    folder = project.root / ".orch/runs"
    runs = sorted(each for each in folder.iterdir() if (each / "manifest.json").exists())
    assert len(runs) == 10
    project.run("runs", "verify", expect=0)
    assert project.run("log", "once", expect=0).out == "once\n"
