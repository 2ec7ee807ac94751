"""Feature importances on the wire; version 2022-09-01-preview brought them."""

from datetime import datetime
from typing import Any

from shared.contract.errors import ErrorCode
from shared.contract.fields import refuser
from shared.contract.jobs import parse_members, render_time
from shared.services.jobs import Job

refuse = refuser(ErrorCode.INVALID_CONTRACT)


def parse_feature_importance(body: bytes, job_id: str, now: datetime) -> Job:
    """Return the job that a body asks for.

    Raises:
        ContractError: A field is missing or wrong.
    """
    members = parse_members(body, (), refuse)
    return Job(job_id, members["name"], members["startTime"], members["endTime"], now)


def render_feature_importance(job: Job) -> dict[str, Any]:
    """Return a job as it is shown; it has no scores while it has not run."""
    return {
        "id": job.id,
        "name": job.name,
        "startTime": render_time(job.start),
        "endTime": render_time(job.end),
        "creationTime": render_time(job.created),
        "status": "NotSubmitted",
        "featureScores": [],
        "description": "Feature importances are kept; none is computed yet.",
    }
