"""archive.py SOURCE ARCHIVE: like `python -m zipapp`, but the same sources give the same bytes."""

import os
import sys
import zipfile
from pathlib import Path

source, archive = map(Path, sys.argv[1:])
with open(archive, "wb") as target:
    target.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(target, "w") as packed:
        for module in sorted(source.rglob("*.py")):
            packed.writestr(zipfile.ZipInfo(module.relative_to(source).as_posix()), module.read_bytes())
        packed.writestr(zipfile.ZipInfo("__main__.py"), "from greeting.__main__ import main\n\nmain()\n")
os.chmod(archive, 0o755)
