"""The keys of gates and mirrors, which differ by their `kind`. Knows nothing of what they lead to."""

from __future__ import annotations

from orch.graph.value import NamedTuple
from orch.orchfile import condition, duration, person
from orch.orchfile.kind import Choice, Flag, ListOf, Text, Whole
from orch.orchfile.problems import visible
from orch.orchfile.table import Key, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orch.orchfile.kind import At, Schema, Toml

_TEXT = Text()
_KINDS = ("check", "metric", "approval")
_KIND_HINT = 'one of "check", "metric", "approval"'
# What each kind of gate takes beside the keys of all: those it must have, and those it may have.
_OWN = {
    "check": (("needs",), ()),
    "metric": (("file", "require"), ()),
    "approval": (("approvers",), ("require", "lapses", "signed")),
}
_ALL = ("kind", "desc", "evidence", "enforce")


class _Conditions(NamedTuple):
    """`key op number`, one or several; or, for an approval, how many people."""

    def check(self, value: Toml, at: At) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            return Whole(1, 100).check(value, at)
        if isinstance(value, str):
            value = [value]
        what = 'conditions such as "coverage.total >= 80", or for an approval how many people'
        if not isinstance(value, list):
            return at.expected(what, value)
        return ListOf(_Condition(), what, least=1).check(value, at)

    def schema(self) -> Schema:
        one = _Condition().schema()
        return {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}, Whole(1, 100).schema()]}


class _Condition(NamedTuple):
    def check(self, value: Toml, at: At) -> object:
        what = "a condition such as `coverage.total >= 80`"
        if not isinstance(value, str):
            return at.expected(what, value)
        try:
            return condition.parsed(value).text
        except ValueError:
            hint = "a key with dots, one of >= <= > < == !=, and a number"
            return at.refuse(f"{at.label()} must be {what}, found `{visible(value)}`", hint)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^({condition.PATTERN})$"}


class _Lapses(NamedTuple):
    """When an approval lapses: "on-change", "never", or seconds (float) after it was given."""

    def check(self, value: Toml, at: At) -> object:
        what = '"on-change", "never" or a duration such as "30d"'
        if not isinstance(value, str):
            return at.expected(what, value)
        if value in ("on-change", "never"):
            return value
        try:
            found = duration.seconds(value)
        except ValueError:
            return at.refuse(f"{at.label()} must be {what}, found `{visible(value)}`")
        return found or at.refuse(f"{at.label()} is no time at all")

    def schema(self) -> Schema:
        return {"oneOf": [{"enum": ["on-change", "never"]}, {"type": "string", "pattern": duration.PATTERN}]}


class _Signed(NamedTuple):
    """true, or the file of those who may sign."""

    def check(self, value: Toml, at: At) -> object:
        return value if isinstance(value, bool) else _TEXT.check(value, at)

    def schema(self) -> Schema:
        return {"oneOf": [{"type": "boolean"}, _TEXT.schema()]}


_PERSON = Text("an e-mail address, or `Name <address>`", pattern=person.PATTERN)
_GATE = Table(
    {
        "kind": Key(
            Choice(_KINDS),
            '"check": tasks that must succeed; "metric": numbers in a file; "approval": people.',
            ("type",),
        ),
        "desc": Key(Text(empty=True), "What the gate is for, in one line.", ("description", "summary")),
        "needs": Key(ListOf(_TEXT, least=1), "check: tasks and milestones that must be fresh.", ("tasks",)),
        "file": Key(_TEXT, "metric: a JSON or TOML file.", ("path",)),
        "require": Key(
            _Conditions(),
            "metric: conditions `key op number`; approval: how many people, 1 by default.",
            ("requires", "conditions"),
        ),
        "approvers": Key(
            ListOf(_PERSON, "a list of people", least=1),
            "approval: who may approve, as e-mail addresses or `Name <address>`.",
            ("approver", "reviewers", "owners"),
        ),
        "evidence": Key(
            ListOf(_TEXT, least=1),
            "Files, globs, `dir/` and `@task` whose sources it is about; `!pattern` excludes.",
            ("files",),
        ),
        "lapses": Key(
            _Lapses(),
            'approval: "on-change" of the evidence (default), "never", or after a time such as "30d".',
            ("expires", "lapse"),
        ),
        "signed": Key(
            _Signed(),
            "approval: only signed ones count; the file of allowed signers, true: `allowed_signers`.",
            ("sign", "signature"),
        ),
        "enforce": Key(Flag(), "false: advisory; recorded and shown, but it closes nothing.", ("required",)),
    },
    required={"kind": _KIND_HINT},
)


class GateKind(NamedTuple):
    """A gate: which keys it takes depends on its kind."""

    def check(self, value: Toml, at: At) -> object:
        known = len(at.problems)
        checked = _GATE.check(value, at)
        if not isinstance(checked, dict) or len(at.problems) > known:
            return checked
        kind = checked["kind"]
        must, may = _OWN[kind]
        for name in checked:
            if name not in (*_ALL, *must, *may):
                at.into(name).refuse(f'`{name}` means nothing where kind = "{kind}"', part="key")
        for name in must:
            if name not in checked:
                at.refuse(f'{at.label()} has no `{name}`, which kind = "{kind}" needs')
        is_count = isinstance(checked.get("require", 1), int)
        if "require" in checked and kind != "check" and is_count != (kind == "approval"):
            what = "how many people" if kind == "approval" else "a list of conditions"
            at.into("require").refuse(f'`require` must be {what} where kind = "{kind}"')
        if kind == "approval":
            self._check_approval(checked, at)
        return checked

    def _check_approval(self, checked: dict[str, object], at: At) -> None:
        if checked.get("lapses", "on-change") == "on-change" and "evidence" not in checked:
            hint = 'name the `evidence`, or write lapses = "never"'
            at.refuse(f"{at.label()} lapses when its evidence changes, and has none", hint)
        people = checked.get("approvers")
        addresses = [person.address_of(str(one)) for one in people] if isinstance(people, list) else []
        for index, one in enumerate(addresses):
            if one in addresses[:index]:
                at.into("approvers").into(index).refuse(f"{one} stands in the list twice")
        needed = checked.get("require", 1)
        if addresses and isinstance(needed, int) and needed > len(addresses):
            at.into("require").refuse(
                f"{needed} approvals are needed, but there are {len(addresses)} approvers"
            )

    def schema(self) -> Schema:
        one_of: list[Schema] = []
        shared = _GATE.schema()
        known = shared["properties"]
        assert isinstance(known, dict)
        for kind, (must, may) in _OWN.items():
            keys = {name: known[name] for name in (*_ALL, *must, *may)}
            one_of.append(
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {**keys, "kind": {"const": kind}},
                    "required": ["kind", *must],
                }
            )
        return {"oneOf": one_of}


MIRROR = Table(
    {
        "file": Key(_TEXT, "The file that shows the milestone's facts.", ("path",)),
        "kind": Key(
            Choice(("markdown", "json")),
            '"markdown" (default): a checklist between two markers; "json": the whole file.',
            ("type", "format"),
        ),
        "auto": Key(Flag(), "true: `orch build` of the milestone writes it when its facts changed."),
    },
    required={"file": "the file that shows the milestone's facts"},
)
