"""Signatures by ssh keys, made and verified by `ssh-keygen -Y` (namespace `orch`). Knows nothing of gates.

Format: OpenSSH's PROTOCOL.sshsig; allowed signers as in ssh-keygen(1).
"""

from __future__ import annotations

import os
import tempfile
import time

from orch.goals.fact import payload
from orch.goals.tool import ask
from orch.graph.errors import StateError, UsageError
from orch.orchfile.person import identity_of, written_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from orch.goals.fact import Fact

NAMESPACE = "orch"
_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


def signed(kind: str, fields: Mapping[str, object], key: str, environ: Mapping[str, str]) -> str:
    """The signature of a fact's fields by the private key in a file (or in the agent, by its public one).

    Raises StateError if that is not made.
    """
    with tempfile.TemporaryDirectory(prefix="orch-") as folder:
        path = os.path.join(folder, "fact")
        with open(path, "xb") as file:
            file.write(payload(kind, fields))
        answer = ask(("ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, path), environ)
        try:
            with open(path + ".sig", encoding="ascii") as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            facts = [("key", key), ("ssh-keygen says", answer.first_line or "nothing")]
            raise StateError("the approval could not be signed", facts) from None


def why_unsigned(fact: Fact, signers: str, environ: Mapping[str, str]) -> str:
    """Why a signature does not show that `fact.by` gave it, "" if it does; `signers` is a file's path."""
    if not fact.signature:
        return "it is not signed"
    people = tuple(dict.fromkeys((written_address(fact.by), identity_of(fact.by))))
    if not os.path.isfile(signers):
        return f"the file of allowed signers {signers} does not exist"
    with tempfile.TemporaryDirectory(prefix="orch-") as folder:
        path = os.path.join(folder, "signature")
        with open(path, "x", encoding="utf-8", errors="surrogateescape") as file:
            file.write(fact.signature)
        answers = [
            ask(_verify(signers, person, path, fact), environ, payload(fact.kind, fact.fields))
            for person in people
        ]
    if all(one.is_absent for one in answers):
        return "ssh-keygen is not installed, so signatures cannot be verified"
    is_good = any(one.is_good for one in answers)
    return "" if is_good else f"its signature is not one of {people[0]}'s by {signers}"


def _verify(signers: str, person: str, signature: str, fact: Fact) -> tuple[str, ...]:
    """Whether the signature was good when it was made: what is attested does not change with the clock."""
    at = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(fact.at_ns // 10**9))
    who = ("-I", person, "-n", NAMESPACE, f"-Overify-time={at}")
    return ("ssh-keygen", "-Y", "verify", "-q", "-f", signers, *who, "-s", signature)


def own_key(said: str, environ: Mapping[str, str]) -> str:
    """The key to sign with: the one that was named, git's `user.signingkey`, or the usual file of ssh.

    Raises UsageError if there is none.
    """
    if said:
        if not os.path.isfile(said):
            raise UsageError(f"there is no key {said}")
        return said
    is_ssh = ask(("git", "config", "gpg.format"), environ).first_line == "ssh"
    configured = (
        ask(("git", "config", "--type=path", "user.signingkey"), environ).first_line if is_ssh else ""
    )
    home = environ.get("HOME", "")
    usual = [os.path.join(home, ".ssh", name) for name in _KEYS] if home else []
    for path in filter(None, (configured, *usual)):
        if os.path.isfile(path):
            return path
    raise UsageError(
        "there is no key to sign with", hint="name one: --key FILE; `ssh-keygen -t ed25519` makes one"
    )
