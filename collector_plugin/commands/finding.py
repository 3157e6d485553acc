"""One thing that ``doctor`` looked at, and how findings are printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from collector_plugin.exit_codes import ExitCode
from collector_plugin.terminal import build_console, print_json, printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked.

    Attributes:
        check: what was looked at, a stable word.
        detail: what was found, for people.
        remedy: what to do about it; empty when it is as it should be.
        value: what was found, for programs; ``None`` where words say it all.
        quiet: of no interest to people while nothing has to be done.
    """

    check: str
    detail: str
    remedy: str = ""
    value: Any = None
    quiet: bool = False

    @property
    def ok(self) -> bool:
        """True when nothing has to be done."""
        return not self.remedy


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> ExitCode:
    """Print findings; ``FAILURE`` when one of them needs a remedy."""
    if as_json:
        print_json(*map(_fields, findings))
    else:
        _print_lines(findings)
    return ExitCode.OK if all(finding.ok for finding in findings) else ExitCode.FAILURE


def _print_lines(findings: Sequence[Finding]) -> None:
    console = build_console()
    for finding in (finding for finding in findings if not (finding.ok and finding.quiet)):
        mark = ("ok ", "green") if finding.ok else ("BAD", "bold red")
        line = Text.assemble(mark, f"  {finding.check:<20}  {printable(finding.detail)}")
        console.print(line, soft_wrap=True)
        if not finding.ok:
            console.print(Text(f"     -> {printable(finding.remedy)}"), soft_wrap=True)


def _fields(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "ok": finding.ok,
        "value": finding.value,
        "detail": finding.detail,
        "remedy": finding.remedy,
    }
