"""The doctor's findings on the wire."""

from dataclasses import asdict

import msgspec

from shared.contract.times import render_time
from shared.services.doctor import Diagnosis


def render_diagnosis(loop: str, diagnosis: Diagnosis) -> bytes:
    """Return the answer's body: what was looked at, and what was found."""
    return msgspec.json.encode(
        {
            "loop": loop,
            "checkedAt": render_time(diagnosis.checked_at),
            "from": render_time(diagnosis.range.start),
            "to": render_time(diagnosis.range.end),
            "events": diagnosis.events,
            "findings": [asdict(finding) for finding in diagnosis.findings],
        }
    )
