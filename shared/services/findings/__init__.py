"""What the doctor knows: one small function for each thing that can be wrong with a loop."""

from collections.abc import Callable, Iterator

from shared.services.findings import decisions, features, rewards, training
from shared.services.findings.checkup import Checkup, Finding, Severity

CHECKS: tuple[Callable[[Checkup], Iterator[Finding]], ...] = (
    *rewards.CHECKS,
    *decisions.CHECKS,
    *features.CHECKS,
    *training.CHECKS,
)


def examine(checkup: Checkup) -> list[Finding]:
    """Return everything that is found, the worst first."""
    found = [finding for check in CHECKS for finding in check(checkup)]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))
