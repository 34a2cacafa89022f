"""What a person says becomes a fact: dated, bound to sources, perhaps signed. Knows nothing of terminals."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from orch.goals.fact import SKEW_NS, made
from orch.goals.signature import own_key, signed, why_unsigned
from orch.goals.tool import ask
from orch.graph.errors import ClosedError, StateError, UsageError
from orch.graph.value import NamedTuple
from orch.orchfile.person import address_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.goals.fact import Fact
    from orch.goals.ledger import Ledger
    from orch.graph.goal import Gate


class Speaker(NamedTuple):
    """Who says something, and with which key it is signed ("" = it is not)."""

    by: str
    key: str
    environ: Mapping[str, str]


def speaker(by: str, key: str, environ: Mapping[str, str], *, signs: bool) -> Speaker:
    """Who speaks: `by`, or git's `user.email`; raises UsageError if that is nobody."""
    who = " ".join(said(by, "--by").split()) or ask(("git", "config", "user.email"), environ).first_line
    if not who:
        hint = "say who: --by ADDRESS; or `git config user.email ADDRESS`"
        raise UsageError("nobody can be found who says so", hint=hint)
    try:
        address_of(who)
    except ValueError as error:
        raise UsageError(
            str(error), hint="as in --by ada@example.org, or --by 'Ada <ada@example.org>'"
        ) from None
    return Speaker(who, own_key(key, environ) if signs or key else "", environ)


def said(text: str, flag: str) -> str:
    """What a person wrote, with one kind of line ends; raises UsageError for what no file keeps as it is."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    wrong = next((one for one in lines if not (one.isprintable() or one in "\n\t")), "")
    if wrong:
        raise UsageError(f"{flag} holds a character that is no text: {wrong!a}")
    return lines


def approval(gate: Gate, verdict: str, source: str, more: Mapping[str, str], who: Speaker, at_s: int) -> Fact:
    """The fact that somebody approved or rejected a gate; `more` are its `note` and `run`.

    Raises StateError where it cannot be signed, ClosedError where the signature would count for nothing.
    """
    fields: dict[str, object] = {
        "gate": gate.name,
        "verdict": verdict,
        "by": who.by,
        "at": datetime.fromtimestamp(at_s, UTC),
        "source": source,
        **{name: text for name, text in more.items() if text},
    }
    fact = sealed("approval", fields, who, at_s)
    why = why_unsigned(fact, os.path.abspath(gate.signers), who.environ) if gate.signers else ""
    if why:
        raise ClosedError(f"gate {gate.name} takes signed approvals only: {why}", hint=f"see {gate.signers}")
    return fact


def sealed(kind: str, fields: Mapping[str, object], who: Speaker, at_s: int) -> Fact:
    """A fact of these fields, signed if the speaker has a key; raises StateError."""
    more = {"signature": signed(kind, fields, who.key, who.environ)} if who.key else {}
    return made("approval" if kind == "approval" else "attestation", {**fields, **more}, at_s * 10**9)


def check_clock(ledger: Ledger, now_ns: int) -> None:
    """Raise StateError where the clock is behind what was put down already."""
    sound = [fact for fact in ledger.facts if not fact.wrong]
    newest = max(sound, key=lambda fact: fact.at_ns, default=None)
    if newest and newest.at_ns > now_ns + SKEW_NS:
        now = datetime.fromtimestamp(now_ns // 10**9, UTC)
        at = f"{newest.fields['at']} (Orchfile.lock.toml:{newest.line})"
        facts = [("now", str(now)), ("newest entry", at)]
        hint = "set the clock, or remove the entry if that of its writer was wrong"
        raise StateError("the clock is behind the newest entry of the lock file", facts, hint)
