"""report.py METRICS... REPORT: a table for each data set, best model first."""

import json
import sys
from pathlib import Path

*metrics, report = sys.argv[1:]
found = {}
for path in map(Path, metrics):
    found.setdefault(path.parts[-3], []).append(json.loads(path.read_text()))

lines = ["# Mean absolute error", ""]
for data, results in sorted(found.items()):
    lines += [f"## {data}", "", "| model | error |", "|---|---|"]
    lines += [
        f"| {one['model']} | {one['error']:.3f} |" for one in sorted(results, key=lambda one: one["error"])
    ]
    lines.append("")
Path(report).write_text("\n".join(lines))
