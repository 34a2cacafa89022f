"""The kinds of generated projects, each with edges left out. It knows nothing of what finds them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.audit.sow import Sown


def c_headers(sown: Sown) -> None:
    """C without a depfile: some headers are listed, and they include others."""
    headers = [f"include/h{one}.h" for one in range(sown.rng.randint(4, 8))]
    for index, path in enumerate(headers):
        deeper = f'#include "h{index + 1}.h"\n' if index % 2 == 0 and index + 1 < len(headers) else ""
        sown.file(path, f"#pragma once\n{deeper}#define H{index} {index}\n")
    sown.file("include/unused.h", "#error\n")
    for name in ("one", "two"):
        used = sorted(sown.rng.sample(range(0, len(headers) - 1, 2), 2))
        lines = [f'#include "h{one}.h"' for one in used] + [f"int {name}(void) {{ return H{used[0]}; }}"]
        sown.file(f"src/{name}.c", "\n".join(lines) + "\n")
        read = sorted({headers[at] for one in used for at in (one, one + 1)})
        declared, missing = sown.split(read, 2)
        sown.misses(name, *missing)
        script = sown.distract([f"gcc -Iempty -Iinclude -c src/{name}.c -o out/{name}.o"])
        sown.task(name, script, inputs=[f"src/{name}.c", *declared], outputs=[f"out/{name}.o"])
    sown.file("empty/keep")


def c_depfile(sown: Sown) -> None:
    """C with a depfile that forgets a header, as a wrapper of a compiler may."""
    for index in range(4):
        sown.file(f"include/h{index}.h", f"#define H{index} {index}\n")
    for name in ("one", "two", "three"):
        used = sorted(sown.rng.sample(range(4), 3))
        forgotten = sown.rng.choice(used)
        text = "".join(f'#include "../include/h{one}.h"\n' for one in used)
        sown.file(f"src/{name}.c", text + f"int {name} = H{used[0]};\n")
        node = f"cc[src/{name}.c]"
        sown.misses(node, f"include/h{forgotten}.h")
        sown.file(f"src/{name}.forget", f"h{forgotten}.h\n")
        sown.misses(node, f"src/{name}.forget")
    script = sown.distract(
        [
            "gcc -MMD -MF out/{{ src.stem }}.raw -c {{ src }} -o {{ outputs }}",
            "forget=$(cat src/{{ src.stem }}.forget)",
            'sed "s,[^ ]*$forget,," out/{{ src.stem }}.raw > {{ depfile }}',
            "rm out/{{ src.stem }}.raw",
        ]
    )
    keys: dict[str, Any] = {"inputs": ["{{ src }}"], "outputs": ["out/{{ src.stem }}.o"]}
    sown.task("cc", script, foreach={"src": "src/*.c"}, depfile="out/{{ src.stem }}.d", **keys)


def c_generated(sown: Sown) -> None:
    """A generated header, an archive and a program; one edge is an order only, one is not there at all."""
    sown.file("version.txt", "3\n")
    sown.file("main.c", '#include "gen/version.h"\nint f(void);\nint main(void) { return f() - V; }\n')
    sown.file("f.c", "int f(void) { return 3; }\n")
    sown.file("flags.txt", "-O1\n")
    gen = sown.distract(['echo "#define V $(cat version.txt)" > gen/version.h'])
    sown.task("gen", gen, outputs=["gen/version.h"])
    sown.misses("gen", "version.txt")
    sown.task(
        "f",
        sown.distract(["gcc $(cat flags.txt) -c f.c -o out/f.o", "ar cr out/libf.a out/f.o"]),
        inputs=["f.c"],
        outputs=["out/f.o", "out/libf.a"],
    )
    sown.misses("f", "flags.txt")
    main = sown.distract(["gcc -I. -c main.c -o out/main.o", "gcc out/main.o -Lout -lf -o out/main"])
    sown.task("main", main, inputs=["main.c"], after=["gen", "f"], outputs=["out/main.o", "out/main"])
    sown.misses("main", "gen/version.h", "out/libf.a")
    sown.task("run", sown.distract(["out/main && echo ok > out/ok"]), inputs=["out/main"], outputs=["out/ok"])


def shell(sown: Sown) -> None:
    """Shell scripts that source each other, `cat` and `grep`."""
    data = sown.many("data/{}.txt", 6, 12)
    sown.file("lib/base.sh", ". lib/deep.sh\nbase() { deep; }\n")
    sown.file("lib/deep.sh", "deep() { grep -h text $(cat lib/list.txt); }\n")
    sown.file("lib/list.txt", " ".join(data[:3]) + "\n")
    sown.file("tool.sh", "#!/bin/sh\n. lib/base.sh\nbase > out/found\n")
    declared, missing = sown.split([*data[:3], "lib/base.sh", "lib/deep.sh", "lib/list.txt"], 3)
    sown.task("find", sown.distract(["sh tool.sh"]), inputs=["tool.sh", *declared], outputs=["out/found"])
    sown.misses("find", *missing)
    declared, missing = sown.split(data, 4)
    words = " ".join(data)
    sown.task(
        "join",
        sown.distract([f"cat {words} > out/all", "sort out/all > out/t && mv out/t out/all"]),
        inputs=declared,
        outputs=["out/all"],
    )
    sown.misses("join", *missing)


def python_modules(sown: Sown) -> None:
    """Python that imports modules beside it and reads data; what it compiles is no finding."""
    for one in range(4):
        deeper = f"import m{one + 1}\n" if one < 3 else ""
        sown.file(f"tool/m{one}.py", f"{deeper}VALUE = {one}\n")
    data = sown.many("data/{}.json", 4, 8)
    for path in data:
        sown.files[path] = b'{"x": 1}\n'
    sown.file(
        "tool/main.py",
        "import json, os, sys, glob\nimport m0\n"
        "assert os.path.exists('D/a.txt') and os.listdir('D') and os.access('D/b.txt', os.R_OK)\n"
        "total = sum(json.load(open(p))['x'] for p in sys.argv[2:])\n"
        "open(sys.argv[1], 'w').write(str(total))\n",
    )
    modules = [f"tool/m{one}.py" for one in range(4)]
    declared, missing = sown.split([*modules, *data], 4)
    script = sown.distract(["python3 tool/main.py out/total " + " ".join(data)])
    sown.task("total", script, inputs=["tool/main.py", *declared], outputs=["out/total"])
    sown.misses("total", *missing)


def python_package(sown: Sown) -> None:
    """A package with relative imports and a data file, run with -m from a folder of its own."""
    sown.file("lib/pkg/__init__.py", "from .words import WORDS\n")
    sown.file(
        "lib/pkg/words.py",
        "from pathlib import Path\nWORDS = Path(__file__).with_name('w.txt').read_text()\n",
    )
    sown.file("lib/pkg/w.txt")
    sown.file("lib/pkg/__main__.py", "import sys\nfrom . import WORDS\nopen(sys.argv[1], 'w').write(WORDS)\n")
    sown.file("lib/pkg/other.py", "1 / 0\n")
    files = ["lib/pkg/__init__.py", "lib/pkg/words.py", "lib/pkg/w.txt", "lib/pkg/__main__.py"]
    declared, missing = sown.split(files, 2)
    script = sown.distract(["python3 -m pkg ../out/words"], "../")
    sown.task("words", script, cwd="lib", inputs=declared, outputs=["out/words"])
    sown.misses("words", *missing)


def chain(sown: Sown) -> None:
    """Generators that feed each other; each reads a schema that it may not name."""
    last = sown.file("start.txt")
    for one in range(sown.rng.randint(4, 6)):
        schema = sown.file(f"schema/{one}.xsd")
        is_named = sown.rng.random() < 0.4
        inputs = [last, *([schema] if is_named else [])]
        if not is_named:
            sown.misses(f"g{one}", schema)
        script = sown.distract([f"cat {last} {schema} > gen/{one}.tmp", f"mv gen/{one}.tmp gen/{one}.txt"])
        sown.task(f"g{one}", script, inputs=inputs, outputs=[f"gen/{one}.txt"])
        last = f"gen/{one}.txt"
    sown.task(
        "skip", sown.distract([f"cat {last} gen/0.txt > gen/skip"]), inputs=[last], outputs=["gen/skip"]
    )
    sown.misses("skip", "gen/0.txt")


def each_file(sown: Sown) -> None:
    """One instance a file, each with settings of its own and some for all."""
    sown.file("conf/all.cfg")
    for path in sown.many("in/f{}.txt", 4, 7):
        stem = path.removeprefix("in/").removesuffix(".txt")
        sown.file(f"conf/{stem}.cfg")
        sown.misses(f"each[{path}]", f"conf/{stem}.cfg", "conf/all.cfg")
    script = sown.distract(["cat {{ inputs }} conf/{{ src.stem }}.cfg conf/all.cfg > {{ outputs }}"])
    sown.task(
        "each", script, foreach={"src": "in/*.txt"}, inputs=["{{ src }}"], outputs=["out/{{ src.name }}"]
    )


def matrix(sown: Sown) -> None:
    """One instance for each pair of values."""
    for os_name in ("linux", "mac"):
        sown.file(f"os/{os_name}.env")
        for level in ("debug", "fast"):
            sown.file(f"level/{level}.env")
            sown.misses(f"pack[os={os_name},level={level}]", f"level/{level}.env")
    script = sown.distract(["cat os/{{ os }}.env level/{{ level }}.env > {{ outputs }}"])
    sown.task(
        "pack",
        script,
        matrix={"os": ["linux", "mac"], "level": ["debug", "fast"]},
        inputs=["os/{{ os }}.env"],
        outputs=["out/{{ os }}-{{ level }}"],
    )


def pipeline(sown: Sown) -> None:
    """Tables cleaned, joined and summed, with side files that nobody declares."""
    tables = sown.many("raw/{}.csv", 3, 5)
    for index, path in enumerate(tables):
        sown.files[path] = "".join(f"{row},{row * index}\n" for row in range(20)).encode()
        sown.file(f"rules/{index}.sed", "s/,/;/\n")
        script = sown.distract(
            [
                f"sed -f rules/{index}.sed {path} | sort > clean/{index}.csv",
                f"wc -l < clean/{index}.csv > clean/{index}.count",
            ]
        )
        sown.task(f"clean{index}", script, inputs=[path], outputs=[f"clean/{index}.csv"])
        sown.misses(f"clean{index}", f"rules/{index}.sed")
        sown.spills(f"clean{index}", f"clean/{index}.count")
    needs = [f"clean{index}" for index in range(len(tables))]
    script = sown.distract(["cat clean/*.csv | awk -f total.awk > out/total", "echo done >> out/journal"])
    sown.file("total.awk", "{ n++ } END { print n }\n")
    sown.task("total", script, needs=needs, inputs=[], outputs=["out/total"])
    sown.misses("total", "total.awk")
    sown.spills("total", "out/journal")


def included(sown: Sown) -> None:
    """A second Orchfile in a folder, whose tasks reach out of it."""
    sown.top('[includes]\nweb = "web/Orchfile.toml"')
    sown.file("shared/style.css")
    pages = [sown.file(f"web/pages/{one}.html") for one in range(4)]
    sown.file("web/layout.html")
    names = [page.removeprefix("web/") for page in pages]
    script = sown.distract([f"cat {' '.join(names)} layout.html ../shared/style.css > dist/site"], "../")
    declared, missing = sown.split(names, 2)
    sown.task("site", script, "web/Orchfile.toml", inputs=declared, outputs=["dist/site"])
    sown.misses("web:site", *(f"web/{one}" for one in missing), "web/layout.html", "shared/style.css")
    sown.task(
        "all",
        sown.distract(["cp web/dist/site out/all"]),
        after=["web:site"],
        inputs=["shared/style.css"],
        outputs=["out/all"],
    )
    sown.misses("all", "web/dist/site")


def links(sown: Sown) -> None:
    """Folders and files behind symbolic links: what is declared by one name may be read by another."""
    for one in range(3):
        sown.file(f"versions/v2/{one}.txt")
    sown.file("real.txt")
    sown.file("other.txt")
    sown.file("deep")
    sown.links.update(
        {"current": "versions/v2", "alias.txt": "real.txt", "second.txt": "other.txt", "third": "deep"}
    )
    script = sown.distract(
        [
            "cat current/0.txt current/1.txt versions/v2/2.txt > out/a",
            "cat alias.txt real.txt >> out/a",
            "cat second.txt deep >> out/a",
            "readlink alias.txt > /dev/null",
            "cd current && cat 0.txt > /dev/null",
        ]
    )
    sown.task(
        "read", script, inputs=["versions/v2/0.txt", "current/2.txt", "alias.txt", "third"], outputs=["out/a"]
    )
    sown.misses("read", "versions/v2/1.txt", "second.txt")


def in_place(sown: Sown) -> None:
    """Files that are changed, moved, linked and removed."""
    sown.file("notes.txt", "one\n")
    sown.file("old.txt")
    script = sown.distract(
        [
            "sed -i s/one/two/ notes.txt",
            "echo x > out/a",
            "ln -f out/a out/hard",
            "ln -f -s a out/soft",
            "mv old.txt new.txt",
        ]
    )
    sown.task("change", script, inputs=["D/a.txt"], outputs=["out/a"])
    sown.spills("change", "notes.txt", "out/hard", "out/soft", "new.txt", "old.txt")
    sown.misses("change", "notes.txt")


def names(sown: Sown) -> None:
    """Names that a trace has to escape."""
    strange = [
        "a b.txt",
        'quo"te.txt',
        "new\nline.txt",
        "tab\t.txt",
        "back\\slash.txt",
        "é.txt",
        "x) = 3.txt",
        "<angle>.txt",
        "bad\udcff.txt",
        "was (deleted)",
        "{{ x }}.txt",
        "st*r?.txt",
        "!no.txt",
    ]
    chosen = [f"odd/{one}" for one in strange]
    for path in chosen:
        sown.file(path, b"odd\n")
    sown.file("plain.txt")
    sown.task(
        "odd", sown.distract(["cat plain.txt odd/* > out/odd"]), inputs=["plain.txt"], outputs=["out/odd"]
    )
    sown.misses("odd", *chosen)


def archive(sown: Sown) -> None:
    """All of a folder is packed, but a wildcard leaves out what `.gitignore` names."""
    files = sown.many("doc/{}.md", 5, 9)
    ignored = [sown.file(f"doc/{one}.draft") for one in range(2)]
    sown.file(".gitignore", "*.draft\nout/\n")
    sown.task("pack", sown.distract(["tar cf out/doc.tar doc"]), inputs=["doc/**"], outputs=["out/doc.tar"])
    sown.misses("pack", *ignored)
    words = " ".join(shlex.quote(one) for one in files[:3])
    sown.task("head", ["sh", "-c", f"head -q -n1 {words} > out/head"], inputs=files[:1], outputs=["out/head"])
    sown.misses("head", *files[1:3])


KINDS: dict[str, Callable[[Sown], None]] = {
    kind.__name__: kind
    for kind in (
        *(c_headers, c_depfile, c_generated, shell, python_modules, python_package, chain, each_file),
        *(matrix, pipeline, included, links, in_place, names, archive),
    )
}
