"""Strange things in the place of sources and outputs: a clear error or a right result, never a hang.

Knows nothing of graphs: each trial is one task, or two.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

from tests.chaos import oracle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.stage import Ended, Stage
    from tests.chaos.trial import Setting

_COPY = "cat {{ inputs }} > {{ outputs }}"
_USAGE = (2, 3)  # exit codes for what the Orchfile may not say


def trial(stage: Stage, number: int, setting: Setting) -> None:
    """One strange thing; what it did is told, whether the build may go on or not."""
    del setting
    case = CASES[number % len(CASES)]
    stage.story.append(case.__name__)
    stage.allowed |= {*_USAGE}
    case(stage)
    stage.await_nothing_left()
    oracle.no_litter(stage)


def _orchfile(
    stage: Stage, inputs: list[str], cmd: str = _COPY, outputs: tuple[str, ...] = ("out/o",)
) -> None:
    text = f"""version = 1
[tasks.lone]
inputs = {json.dumps(inputs, ensure_ascii=False)}
outputs = {json.dumps(list(outputs), ensure_ascii=False)}
cmd = {json.dumps(cmd)}
"""
    (stage.root / "Orchfile.toml").write_bytes(text.encode("utf-8", "surrogateescape"))


def _refused(stage: Stage) -> None:
    """Building fails with a message; so it does again."""
    for _ in range(2):
        ended = _build(stage)
        if ended.code == 0:
            stage.violate(f"exits 0: {ended.err[-300:]}")
        _readable(stage)


def _built(stage: Stage, wanted: bytes, path: str = "out/o") -> None:
    """Building makes the right bytes, and then there is nothing to do."""
    ended = _build(stage)
    found = (stage.root / path).read_bytes() if (stage.root / path).is_file() else None
    if ended.code or found != wanted:
        stage.violate(f"exits {ended.code}, {path} holds {found!r:.80}: {ended.err[-500:]}")
    _readable(stage)
    oracle.runs_nothing(stage)


def _build(stage: Stage) -> Ended:
    ended = stage.start("build").end()
    if ended.code and not any(word in ended.err for word in ("orch: error: ", "FAILED")):
        stage.violate(f"exit code {ended.code} without a message: {ended.err[-300:]!r}")
    if "\x1b" in ended.err or "\x1b" in ended.out:
        stage.violate("an escape sequence reaches the terminal")
    return ended


def _readable(stage: Stage) -> None:
    """`orch status` answers, or says what is wrong with the Orchfile."""
    status = stage.start("status", "--json").end(20.0)
    if status.code not in (0, *_USAGE):
        stage.violate(f"orch status exits {status.code}: {status.err[-500:]}")


def _fifo(stage: Stage) -> None:
    os.mkfifo(stage.root / "in")
    _orchfile(stage, ["in"])
    _refused(stage)


def _globbed_fifo(stage: Stage) -> None:
    os.mkfifo(stage.root / "a.src")
    (stage.root / "b.src").write_text("b")
    _orchfile(stage, ["*.src"], cmd="cat b.src > out/o")
    _build(stage)
    _readable(stage)


def _socket(stage: Stage) -> None:
    there = os.getcwd()
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(stage.root)
        one.bind("in")
        os.chdir(there)
    _orchfile(stage, ["in"], cmd="echo 1 > out/o")
    _refused(stage)


def _device(stage: Stage) -> None:
    (stage.root / "in").symlink_to("/dev/zero")
    _orchfile(stage, ["in"], cmd="echo 1 > out/o")
    _build(stage)
    _readable(stage)


def _link_loop(stage: Stage) -> None:
    (stage.root / "in").symlink_to("other")
    (stage.root / "other").symlink_to("in")
    _orchfile(stage, ["in"])
    _refused(stage)


def _dangling(stage: Stage) -> None:
    (stage.root / "in").symlink_to("nowhere")
    _orchfile(stage, ["in"])
    _refused(stage)
    (stage.root / "nowhere").write_text("now")
    _built(stage, b"now")


def _folder_as_file(stage: Stage) -> None:
    (stage.root / "in").mkdir()
    _orchfile(stage, ["in"])
    _refused(stage)


def _file_as_folder(stage: Stage) -> None:
    (stage.root / "in").write_text("1")
    _orchfile(stage, ["in"], cmd="mkdir out/o; cp in out/o/x")
    _refused(stage)


def _in_the_way(stage: Stage) -> None:
    """A FIFO where the output belongs is moved aside."""
    (stage.root / "in").write_text("1")
    (stage.root / "out").mkdir()
    os.mkfifo(stage.root / "out" / "o")
    _orchfile(stage, ["in"])
    _built(stage, b"1")


def _long_name(stage: Stage) -> None:
    name = "n" * 255
    (stage.root / name).write_text("long")
    _orchfile(stage, [name], outputs=(f"out/{name}",))
    _built(stage, b"long", f"out/{name}")


def _undecodable(stage: Stage) -> None:
    with open(os.fsencode(stage.root) + b"/\xff\xfe.src", "wb") as file:
        file.write(b"raw")
    _orchfile(stage, ["*.src"])
    _built(stage, b"raw")


def _hostile_names(stage: Stage) -> None:
    names = ["new\nline.src", "\x1b[31mred.src", "-rf.src", "$(touch x).src", "'quoted'.src", "\u202ertl.src"]
    for name in names:
        (stage.root / name).write_text(name)
    _orchfile(stage, ["*.src"], cmd="cat -- {{ inputs }} > {{ outputs }}")
    _built(stage, "".join(sorted(names, key=os.fsencode)).encode())
    if (stage.root / "x").exists():
        stage.violate("a file's name was run as a command")


def _sparse(stage: Stage) -> None:
    """4 GiB of holes are read within the bound."""
    with (stage.root / "in").open("wb") as file:
        file.truncate(4 << 30)
    _orchfile(stage, ["in"], cmd="echo 1 > out/o")
    _built(stage, b"1\n")


def _endless(stage: Stage) -> None:
    """1 TiB of holes cannot be read in time; whoever waits can end that."""
    with (stage.root / "in").open("wb") as file:
        file.truncate(1 << 40)
    _orchfile(stage, ["in"], cmd="echo 1 > out/o")
    running = stage.start("build")
    if not running.wait(2.0):
        running.process.terminate()
    running.end(10.0)


def _too_long(stage: Stage) -> None:
    """A command line that is longer than the kernel takes."""
    folder = stage.root / "many"
    folder.mkdir()
    for i in range(3000):
        (folder / f"{i:05d}-{'x' * 80}").touch()
    _orchfile(stage, ["many/*"], cmd="echo {{ inputs }} > /dev/null; echo 1 > {{ outputs }}")
    _refused(stage)


def _hard_links(stage: Stage) -> None:
    """A command that writes into its input's other name does so to its own input."""
    (stage.root / "in").write_text("1")
    os.link(stage.root / "in", stage.root / "twin")
    _orchfile(stage, ["in"], cmd="cat in > out/o; cat out/o")
    _built(stage, b"1")
    (stage.root / "twin").write_text("2")
    _built(stage, b"2")


CASES: tuple[Callable[[Stage], None], ...] = (
    _fifo,
    _globbed_fifo,
    _socket,
    _device,
    _link_loop,
    _dangling,
    _folder_as_file,
    _file_as_folder,
    _in_the_way,
    _long_name,
    _undecodable,
    _hostile_names,
    _sparse,
    _too_long,
    _hard_links,
    _endless,  # the last: the shortest tier leaves it out
)
