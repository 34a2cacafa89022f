"""A run as JUnit XML, which CI servers show: a test case for each node that was not fresh.

Knows nothing of where manifests lie; what a node printed is asked for.
"""

from __future__ import annotations

from orch.history.account import entries_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orch.history.account import Fields

_FAILED = ("failed", "stopped")


def junit_xml(fields: Fields, tail: Callable[[str], bytes]) -> bytes:
    """The document of a manifest; `tail` gives the end of a log, b"" where there is none."""
    cases: list[str] = []
    entries = entries_of(fields)
    statuses = [str(entry.get("status")) for entry in entries.values()]
    for node, entry in entries.items():
        cases += _case(node, entry, tail)
    totals = _attributes(
        tests=len(entries),
        failures=sum(status in _FAILED for status in statuses),
        errors=1 if fields.get("error") else 0,
        skipped=statuses.count("skipped") + statuses.count("advisory"),
        time=_seconds(fields.get("duration_s")),
    )
    about = _attributes(
        name=" ".join(map(str, fields.get("argv") or ["orch"])),
        timestamp=str(fields.get("started", ""))[:19],
        hostname=fields.get("host", ""),
    )
    properties = [
        f"<property{_attributes(name=name, value=fields.get(name))}/>"
        for name in ("run", "status", "commit", "profile")
        if fields.get(name)
    ]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{totals}>",
        f"<testsuite{about}{totals}>",
        *(["<properties>", *properties, "</properties>"] if properties else []),
        *cases,
        *([f"<system-err>{_text(fields['error'])}</system-err>"] if fields.get("error") else []),
        "</testsuite>",
        "</testsuites>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _case(node: str, entry: Fields, tail: Callable[[str], bytes]) -> list[str]:
    task = node.partition("[")[0]
    head = _attributes(name=node, classname=task, time=_seconds(entry.get("duration_s")))
    status = str(entry.get("status"))
    body: list[str] = []
    failure = entry.get("failure") or "it was stopped"
    if status in _FAILED:
        kind = "failure" if status == "failed" else "interrupted"
        body.append(
            f"<failure{_attributes(message=failure, type=kind)}>{_text(entry.get('hint', ''))}</failure>"
        )
    elif status == "skipped":
        because = entry.get("because", "")
        body.append(f"<skipped{_attributes(message=f'{because} did not succeed')}/>")
    elif status == "advisory":
        body.append(f"<skipped{_attributes(message=f'failed, which is allowed: {failure}')}/>")
    log = tail(str(entry["log"])) if entry.get("log") else b""
    if log:
        body.append(f"<system-out>{_text(log.decode('utf-8', 'replace'))}</system-out>")
    return [f"<testcase{head}>", *body, "</testcase>"] if body else [f"<testcase{head}/>"]


def _attributes(**values: object) -> str:
    return "".join(f' {name}="{_text(value)}"' for name, value in values.items())


def _seconds(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, int | float) else "0"


def _text(value: object) -> str:
    """A text as XML may hold it: what is no character there is replaced.

    >>> _text("a<b>&\\x1b[0m\\udcff"), _text('"\\n')
    ('a&lt;b&gt;&amp;\\ufffd[0m\\ufffd', '&quot;\\n')
    """
    text = "".join(one if _is_legal(ord(one)) else "\ufffd" for one in str(value))
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\r", "&#13;")):
        text = text.replace(plain, escaped)
    return text


def _is_legal(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
