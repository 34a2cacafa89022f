"""`orch runs gc`: removes the records of the oldest runs beyond the limits. Knows nothing of how."""

from __future__ import annotations

import os
import time

from orch.cache.store import Store
from orch.cli.commands.runs.form import print_json
from orch.engine.project import locate, run_settings_of
from orch.evidence.prune import Pruned, prune
from orch.orchfile.load import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orch.cache.place import Place
    from orch.cli.console import Console
    from orch.cli.options import Options


def run(place: Place, start: str, names: Sequence[str], options: Options, console: Console) -> int:
    """Tidy, or with `-n` say what would go."""
    del names
    declarations, problems = load(*locate(start, options.file))
    problems.raise_if_any()
    settings = run_settings_of(declarations)
    if options.keep is not None:
        settings = settings._replace(keep=options.keep)
    if options.max_age_s is not None:
        settings = settings._replace(max_age_s=options.max_age_s)
    done = Pruned()
    if os.path.lexists(place.folder):
        if not options.dry_run:
            place.open_for_writing()
        store = Store.open_read_only(place)
        try:
            done = prune(place, settings, time.time(), store.logs, trial=options.dry_run)
        finally:
            store.close()
    if options.json:
        told = {"removed": list(done.runs), "scraps": list(done.scraps), "left": done.left}
        print_json(console, {**told, "dry_run": options.dry_run})
    elif not options.quiet:
        for name in done.runs if options.dry_run or options.verbose else ():
            console.out(name)
        verb = "would be removed" if options.dry_run else "removed"
        scraps = f", and {len(done.scraps):,} scraps" if done.scraps else ""
        console.err(f"orch: the records of {len(done.runs):,} runs{scraps} {verb}, {done.left:,} left")
    return 0
