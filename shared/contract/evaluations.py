"""Evaluations on the wire: asked for, listed and shown as the retired service did."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from shared.contract.errors import ContractError, ErrorCode
from shared.contract.fields import check_id, decode, kind, named, parse_object, refuser
from shared.contract.jobs import parse_members, parse_time, render_time
from shared.contract.versions import ApiVersion
from shared.learner.arguments import MAX_LENGTH
from shared.services.jobs import Job, JobStatus, NamedPolicy

MAX_POLICIES = 10

INTERVALS = (5, 60, 360, 720, 1440)
"""Minutes over which results may be added up."""

WINDOWS = ("Expanding", "Rolling")

refuse = refuser(ErrorCode.INVALID_EVALUATION_CONTRACT)
_refuse_bad = refuser(ErrorCode.BAD_REQUEST)
_STATUS_2022 = {JobStatus.NOT_SUBMITTED: "NotSubmitted"}


def parse_evaluation(body: bytes, job_id: str, now: datetime) -> Job:
    """Return the evaluation that a body asks for.

    Raises:
        ContractError: A field is missing or wrong.
    """
    flags = ("enableOfflineExperimentation", "enablePolicyOptimization")
    members = parse_members(body, ("policies", *flags), refuse)
    for flag in flags:
        if type(members.get(flag)) not in (bool, type(None)):
            raise refuse(flag, f"{flag} must be a boolean, not {kind(members[flag])}.")
    return Job(
        id=job_id,
        name=members["name"],
        start=members["startTime"],
        end=members["endTime"],
        created=now,
        policies=_policies(members.get("policies")),
        optimize=any(members.get(flag) for flag in flags),
    )


def parse_filter(parameters: Mapping[str, str]) -> bool:
    """Return whether a list's filter lets through what callers have created.

    The only filter that was ever documented is ``evaluationType eq 'Manual'`` (or ``'Auto'``).

    Raises:
        ContractError: It is another one.
    """
    text = parameters.get("filter", "").removeprefix("metadata=").replace('"', "'")
    words = text.split()
    if not words:
        return True
    if len(words) != 3 or words[0].lower() != "evaluationtype" or words[1].lower() != "eq":
        raise _refuse_bad("filter", "filter must be like evaluationType eq 'Manual'.")
    return words[2].strip("'").lower() == "manual"


def check_series(parameters: Mapping[str, str]) -> tuple[datetime, datetime, int]:
    """Return from when to when, and in steps of how many minutes, results are asked for.

    Raises:
        ContractError: A parameter of version 2022-09-01-preview is missing or wrong.
    """
    for name in ("startTime", "endTime"):
        if name not in parameters:
            raise _refuse_bad(name, f"{name} is required.")
    times = [
        # A plus sign that was not percent-encoded arrives as a space.
        parse_time(parameters[name].replace(" ", "+"), name, _refuse_bad)
        for name in ("startTime", "endTime")
    ]
    window = parameters.get("window", WINDOWS[0])
    if window not in WINDOWS:
        raise _refuse_bad("window", f"window must be {' or '.join(WINDOWS)}.")
    interval = parameters.get("intervalInMinutes", str(INTERVALS[0]))
    if interval not in map(str, INTERVALS):
        raise _refuse_bad("intervalInMinutes", f"intervalInMinutes must be one of {INTERVALS}.")
    if (window == "Expanding") != (interval == "5"):
        raise _refuse_bad(
            "intervalInMinutes", "Expanding windows have 5 minutes, Rolling ones 60 or more."
        )
    return times[0], times[1], int(interval)


def parse_reference(body: bytes) -> tuple[str, str]:
    """Return the ids of an evaluation and of a policy in it.

    Raises:
        ContractError: One is missing or wrong.
    """
    names = ("evaluationId", "policyName")
    members = named(parse_object(body), names)
    for name in names:
        if name not in members:
            raise _refuse_bad(name, f"{name} is required.")
    evaluation, policy = (
        check_id(decode(members[name], name, _refuse_bad), name, _refuse_bad) for name in names
    )
    return evaluation, policy


def render_evaluation(job: Job, version: ApiVersion) -> dict[str, Any]:
    """Return an evaluation as a version shows it, without its results by time."""
    shown: dict[str, Any] = {
        "id": job.id,
        "name": job.name,
        "startTime": render_time(job.start),
        "endTime": render_time(job.end),
    }
    if version is ApiVersion.V2022_09_01_PREVIEW:
        return shown | {
            "creationTime": render_time(job.created),
            "status": _STATUS_2022[job.status],
            "evaluationType": "Manual",
            "description": "Evaluations are kept; none runs yet.",
        }
    newer = version.includes(ApiVersion.V1_1_PREVIEW_1)
    source = {"policySource": "Custom"} if newer else {}
    shown |= {
        "status": job.status,
        "policyResults": [
            {"name": policy.name, "arguments": policy.arguments, **source}
            for policy in job.policies
        ],
        "featureImportance": [],
    }
    if newer:
        shown |= {
            "evaluationType": "Manual",
            "optimalPolicy": "",
            "creationTime": render_time(job.created),
        }
    return shown


def render_series(job: Job, series: tuple[datetime, datetime, int]) -> bytes:
    """Return an evaluation with its results by time, as version 2022-09-01-preview shows them."""
    start, end, interval = series
    content = {
        "startTime": render_time(start),
        "endTime": render_time(end),
        "intervalInMinutes": interval,
        "value": [],
    }
    shown = render_evaluation(job, ApiVersion.V2022_09_01_PREVIEW)
    return msgspec.json.encode(shown | {"content": content})


def render_evaluations(jobs: Sequence[Job], version: ApiVersion) -> bytes:
    """Return the list of the versions before 2022-09-01-preview."""
    return msgspec.json.encode([render_evaluation(job, version) for job in jobs])


def _policies(value: Any) -> tuple[NamedPolicy, ...]:
    if value is None:
        raise refuse("policies", "policies is required; it may be empty.")
    if type(value) is not list:
        raise refuse("policies", f"policies must be an array, not {kind(value)}.")
    if len(value) > MAX_POLICIES:
        raise refuse("policies", f"A maximum of {MAX_POLICIES} custom policies are allowed.")
    policies = tuple(_policy(item, f"policies[{index}]") for index, item in enumerate(value))
    if len({policy.name for policy in policies}) < len(policies):
        raise ContractError(
            ErrorCode.DUPLICATE_POLICY_NAMES,
            "Custom policies must have different names.",
            "policies",
        )
    return policies


def _policy(value: Any, target: str) -> NamedPolicy:
    if type(value) is not dict:
        raise refuse(target, f"A policy must be an object, not {kind(value)}.")
    members = named(value, ("name", "arguments"))
    name = check_id(members.get("name"), f"{target}.name", refuse)
    arguments = members.get("arguments")
    if type(arguments) is not str or len(arguments) > MAX_LENGTH:
        raise refuse(
            f"{target}.arguments", f"arguments must be a string of up to {MAX_LENGTH} characters."
        )
    return NamedPolicy(name, arguments)
