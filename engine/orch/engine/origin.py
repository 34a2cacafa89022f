"""Who runs what: what the records say of a run beside what it does; and runs that died before.

Knows nothing of nodes' results.
"""

from __future__ import annotations

import os

from orch.cache.digest import digest_file
from orch.engine.permit import Permit
from orch.evidence.chain import CHAIN
from orch.evidence.manifest import Header
from orch.evidence.settings import may_be_due
from orch.evidence.text import MASK
from orch.graph.errors import OrchError, StateError
from orch.graph.value import NamedTuple
from orch.graph.version import VERSION
from orch.run.environment import secret_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.cache.place import Place
    from orch.cache.store import Store
    from orch.engine.reporter import Notes
    from orch.evidence.settings import Settings
    from orch.graph.build_graph import BuildGraph


class Origin(NamedTuple):
    """One run, as it is known when it begins."""

    run: str
    started_ns: int  # wall clock
    argv: tuple[str, ...]
    orchfile: str  # relative to the root, in which the process stands
    profile: str = ""
    secrets: tuple[str, ...] = ()  # masked in every record
    capture_bytes: int = 0  # of events, in the manifest; 0 = none
    permit: Permit = Permit()  # what it may do


def header_of(origin: Origin, root: str) -> Header:
    """What its manifest begins with; the process stands in the root."""
    try:
        digest = digest_file(origin.orchfile)
    except OSError:
        digest = ""
    return Header(
        run=origin.run,
        started_ns=origin.started_ns,
        argv=origin.argv,
        root=root,
        orchfile=origin.orchfile,
        orchfile_digest=digest,
        tool=VERSION,
        host=os.uname().nodename,
        pid=os.getpid(),
        profile=origin.profile,
        mode=origin.permit.mode.value,
        mode_from=origin.permit.mode.origin,
        engine=origin.permit.engine.name if origin.permit.engine else "",
        is_enforced=origin.permit.is_enforced,
        grants=origin.permit.grants,
        escalations=origin.permit.escalations,
    )


def secrets_of(graph: BuildGraph, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values that no record may hold: those of every secret of every node."""
    environments = {node.environment for node in graph.nodes.values() if node.environment.secrets}
    values = {value for one in environments for value in secret_values(one, environ).values}
    return tuple(sorted(map(os.fsdecode, values)))


def without_secrets(argv: tuple[str, ...], secrets: tuple[str, ...]) -> tuple[str, ...]:
    """A command line as others may see it.

    >>> without_secrets(("orch", "--", "key=swordfish"), ("swordfish",))
    ('orch', '--', 'key=***')
    """
    for secret in sorted(secrets, key=len, reverse=True):
        argv = tuple(word.replace(secret, MASK) for word in argv)
    return argv


def settle_runs(place: Place, run: str, notes: Notes) -> None:
    """Write down runs that were killed as interrupted, and say so; raises StateError and BusyError."""
    from orch.evidence.settle import settle_dead

    try:
        settled = settle_dead(place, run)
    except OSError as error:
        raise _unwritten(error) from error
    for each in settled:
        notes.note(f"run {each} was killed; it is recorded as interrupted")


def tidy_runs(store: Store, settings: Settings, notes: Notes) -> None:
    """Remove records of runs beyond their limits, if there are; that this fails is no failure of a build."""
    try:
        if not may_be_due(settings, os.stat(store.place.path("runs", CHAIN)).st_size):
            return
        from orch.evidence.prune import prune_if_due

        prune_if_due(store.place, settings, store.logs)
    except (OSError, OrchError) as error:
        notes.note(f"records of old runs were not removed: {error}")


def _unwritten(error: OSError) -> StateError:
    facts = [("path", str(error.filename or "")), ("reason", error.strerror or str(error))]
    return StateError("the records of earlier runs cannot be written", facts)
