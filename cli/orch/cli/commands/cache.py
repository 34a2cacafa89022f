"""`orch cache stats | gc | verify`: what is kept of earlier results, tidied, or read and checked.

Knows nothing of how results are found and restored.
"""

from __future__ import annotations

import os
import time

from orch.cache.place import place_of
from orch.cache.store_file import DamagedError
from orch.cli.console import shown
from orch.engine.project import open_project
from orch.graph.errors import StateError
from orch.orchfile.size import shown_bytes
from orch.reuse.collect import collect, foreseen
from orch.reuse.contents import Contents
from orch.reuse.folder import Folder, open_index, open_index_read_only, start_anew
from orch.reuse.inspect import stats, verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cli.console import Console
    from orch.cli.options import Options
    from orch.reuse.collect import Collected
    from orch.reuse.inspect import Stats, Verified
    from orch.reuse.settings import Settings


def run(options: Options, console: Console, environ: Mapping[str, str]) -> int:
    """Do the action that `options.targets` holds; 5 if `verify` found damage."""
    project = open_project(os.getcwd(), options.file, options.profile)
    settings = project.cache_settings
    if options.max_size is not None:
        settings = settings._replace(max_size=options.max_size)
    if options.max_age_s is not None:
        settings = settings._replace(max_age_s=options.max_age_s)
    folder = Folder.of(place_of(project.root, environ), settings, environ)
    action = options.targets[0]
    is_trial = options.dry_run or not os.path.lexists(folder.path)  # a cache that is not there is not made
    is_verifying = action == "verify" and not folder.can_be_written()
    if action == "stats" or is_trial or is_verifying:
        database, notice, is_writing = open_index_read_only(folder), "", False
    else:
        (database, notice), is_writing = open_index(folder), True
    try:
        if action == "stats":
            return _say_stats(options, console, folder, settings, stats(database))
        if notice:
            console.warning(notice)
        if action == "gc":
            if is_trial:
                return _say_collected(options, console, foreseen(database, settings, time.time()))
            return _say_collected(options, console, collect(folder, database, settings, time.time()))
        contents = Contents(folder, database)
        found = verify(database, contents)
        contents.close()
        return _say_verified(options, console, found, (notice,) if notice else ())
    except DamagedError as error:
        if is_writing:
            start_anew(folder, database)
        sentence = f"the cache's index is damaged{'; it was put aside' if is_writing else ''}"
        facts = [("path", folder.at("index.db")), ("reason", str(error))]
        raise StateError(sentence, facts, "the next build makes anew what it needs") from error
    finally:
        database.close()


def _say_stats(options: Options, console: Console, folder: Folder, settings: Settings, found: Stats) -> int:
    if options.json:
        limits = {"max_size": settings.max_size, "max_age_s": settings.max_age_s}
        _print_json(console, {"folder": folder.path, "shared": folder.is_shared, **found._asdict(), **limits})
        return 0
    age = f"{settings.max_age_s / 86400:g} days" if settings.max_age_s else "no limit"
    for label, value in (
        ("folder", shown(folder.path)),
        ("results", f"{found.results:,}"),
        ("contents", f"{found.contents:,}, in {found.packs:,} packs and {found.files:,} files of their own"),
        ("size", f"{shown_bytes(found.bytes)} of {shown_bytes(settings.max_size)}"),
        ("unused longest", _moment(found.first_used_s)),
        ("used last", _moment(found.last_used_s)),
        ("unused for", age),
        ("tidied", _moment(found.collected_s)),
    ):
        console.out(f"{label:16} {value}")
    return 0


def _say_collected(options: Options, console: Console, done: Collected) -> int:
    if options.json:
        _print_json(console, {**done._asdict(), "dry_run": options.dry_run})
    elif not options.quiet:
        verb = "would be removed" if options.dry_run else "removed"
        freed = shown_bytes(max(0, done.before - done.after))
        left = shown_bytes(done.after)
        console.err(f"orch: {done.results:,} results {verb}, {freed} freed, {left} left")
    return 0


def _say_verified(options: Options, console: Console, found: Verified, notices: tuple[str, ...]) -> int:
    damaged = (*notices, *found.damaged)
    if options.json:
        _print_json(console, {**found._asdict(), "damaged": damaged})
    else:
        for one in found.damaged:
            console.warning(f"damaged or gone: {one}")
        if not options.quiet:
            read = f"{found.results:,} results and {found.contents:,} contents ({shown_bytes(found.bytes)})"
            console.err(f"orch: {read} verified, {len(damaged):,} damaged")
    if not damaged:
        return 0
    facts = [("damaged", str(len(damaged)))]
    hint = "it is not used any more; the next build makes anew what it needs"
    raise StateError("the cache held what is damaged or gone", facts, hint)


def _print_json(console: Console, document: dict[str, object]) -> None:
    import json

    console.out(json.dumps(document, indent=2))


def _moment(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second)) if second else "never"
