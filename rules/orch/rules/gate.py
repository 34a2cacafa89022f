"""Gates and mirrors as declared become values, with every name and path in them resolved.

Knows nothing of what a gate's evidence leads to, which `evidence` finds, and of whether a gate holds.
"""

from __future__ import annotations

from orch.graph.errors import nearest
from orch.graph.goal import SIGNERS, Gate, Mirror
from orch.graph.task import Pattern
from orch.rules.patterns import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.graph.goal import GateKind
    from orch.orchfile.declaration import Declarations, GateDecl, MilestoneDecl
    from orch.orchfile.problems import Problems
    from orch.rules.node import NodeMaker
    from orch.rules.reference import Names

_KINDS: dict[object, GateKind] = {"check": "check", "metric": "metric", "approval": "approval"}


def make_gates(declarations: Declarations, maker: NodeMaker, names: Names) -> dict[str, Gate]:
    """All gates by name; what is wrong is added to the problems of `maker`."""
    return {name: _gate(decl, maker, names) for name, decl in declarations.gates.items()}


def find_gates(decl: MilestoneDecl, declarations: Declarations, problems: Problems) -> tuple[str, ...]:
    """The names of a milestone's gates; an unknown one is added to `problems` and left out."""
    found: list[str] = []
    scope = decl.source.scope
    prefix = f"{scope}:" if scope else ""
    for index, text in enumerate(decl.gates):
        name = text[1:] if text.startswith(":") else prefix + text
        if name in declarations.gates:
            found.append(name)
            continue
        near = nearest(name, declarations.gates).removeprefix(prefix)
        hint = f"did you mean {near}?" if near else f"[gates.{text.lstrip(':')}] would declare one"
        problems.add(
            decl.source, ("milestones", decl.key, "gates", index), f"no gate is named {text}", hint=hint
        )
    return tuple(found)


def make_mirrors(decl: MilestoneDecl, problems: Problems) -> tuple[Mirror, ...]:
    """The mirrors of a milestone; a file that orch may not write is added to `problems` and left out."""
    found: list[Mirror] = []
    for index, table in enumerate(decl.mirrors):
        written = table.get("file")
        if not isinstance(written, str):
            continue
        path = below(decl.source.folder, written)
        parts = path.split("/")
        where = ("milestones", decl.key, "mirrors", index, "file")
        if _is_outside(path):
            problems.add(decl.source, where, f"the mirror {path} lies outside the root")
        elif {".git", ".orch"} & set(parts) or parts[-1] in (".gitignore", "Orchfile.lock.toml"):
            problems.add(decl.source, where, f"{path} cannot be a mirror")
        elif any(path == one.file for one in found):
            problems.add(decl.source, where, f"{path} is already a mirror of `{decl.key}`")
        else:
            is_json = table.get("kind") == "json"
            found.append(Mirror(path, "json" if is_json else "markdown", bool(table.get("auto")), index))
    return tuple(found)


def _gate(decl: GateDecl, maker: NodeMaker, names: Names) -> Gate:
    table, folder = decl.table, decl.source.folder
    require, lapses = table.get("require"), table.get("lapses", "on-change")
    signed, metric = table.get("signed"), table.get("file")
    signers = signed if isinstance(signed, str) else SIGNERS if signed else ""
    needs: dict[str, None] = {}
    for index, text in enumerate(_texts(table.get("needs"))):
        needs.update(
            dict.fromkeys(maker.refer(decl.source, ("gates", decl.key, "needs", index), text, names))
        )
    for key, path in (("file", below(folder, str(metric or "."))), ("signed", below(folder, signers or "."))):
        if _is_outside(path):
            maker.problem(decl.source, ("gates", decl.key, key), f"{path} lies outside the root")
    return Gate(
        name=decl.name,
        file=decl.source.path,
        kind=_KINDS.get(table.get("kind"), "check"),
        desc=str(table.get("desc", "")),
        needs=tuple(needs),
        metric=below(folder, metric) if isinstance(metric, str) else "",
        require=tuple(_texts(require)),
        approvers=tuple(_texts(table.get("approvers"))),
        quorum=require if isinstance(require, int) else 1,
        lapses="after" if isinstance(lapses, float) else str(lapses),
        lapses_s=lapses if isinstance(lapses, float) else 0.0,
        signers=below(folder, signers) if signers else "",
        enforced=table.get("enforce") is not False,
        evidence=_evidence(decl, maker, names),
    )


def _evidence(decl: GateDecl, maker: NodeMaker, names: Names) -> tuple[Pattern, ...]:
    found: list[Pattern] = []
    for index, entry in enumerate(_texts(decl.table.get("evidence"))):
        where = ("gates", decl.key, "evidence", index)
        if entry.startswith("@"):
            nodes = maker.refer(decl.source, where, entry[1:], names)
            found += (Pattern("task", one, entry=index) for one in nodes)
        else:
            pattern = maker.pattern(decl.source, where, entry, {})
            if pattern is not None and _is_outside(pattern.path):
                hint = "a clone would not have it"
                maker.problem(decl.source, where, f"the evidence {pattern.path} lies outside the root", hint)
            elif pattern is not None:
                found.append(pattern)
    return tuple(found)


def _is_outside(path: str) -> bool:
    return path.startswith("/") or path.split("/")[0] == ".."


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
