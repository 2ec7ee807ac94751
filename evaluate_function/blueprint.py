"""HTTP: evaluations and feature importances."""

import uuid
from urllib.parse import quote

import azure.functions as func
import msgspec

from shared.contract import evaluations, feature_importances
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.evaluations import (
    check_series,
    parse_evaluation,
    parse_filter,
    parse_reference,
    render_evaluation,
    render_evaluations,
    render_series,
)
from shared.contract.feature_importances import (
    parse_feature_importance,
    render_feature_importance,
)
from shared.contract.jobs import job_id_from_url, no_job, parse_page, render_page
from shared.contract.operations import (
    APPLY_FROM_EVALUATION,
    CREATE_EVALUATION,
    CREATE_FEATURE_IMPORTANCE,
    DELETE_EVALUATION,
    DELETE_FEATURE_IMPORTANCE,
    GET_EVALUATION,
    GET_FEATURE_IMPORTANCE,
    LIST_EVALUATIONS,
    LIST_FEATURE_IMPORTANCES,
    PUT_EVALUATION,
)
from shared.contract.paths import path_of
from shared.contract.versions import ApiVersion
from shared.endpoint import Answer, Call, operation
from shared.services.jobs import Job, JobExists, JobKind, UnknownJob
from shared.wiring import Application, now

blueprint = func.Blueprint()

EVALUATION, IMPORTANCE = JobKind.EVALUATION, JobKind.FEATURE_IMPORTANCE
NEWEST = ApiVersion.V2022_09_01_PREVIEW


@operation(blueprint, LIST_EVALUATIONS)
async def list_evaluations(app: Application, call: Call) -> bytes:
    """List evaluations, newest first."""
    wanted = parse_filter(call.parameters)
    page = parse_page(call.parameters)
    jobs = await app.jobs.all(EVALUATION) if wanted else []
    if call.version is not NEWEST:
        return render_evaluations(jobs, call.version)
    return render_page(
        [render_evaluation(job, NEWEST) for job in jobs], page, call.url, call.parameters
    )


@operation(blueprint, CREATE_EVALUATION)
async def create_evaluation(app: Application, call: Call) -> Answer:
    """Keep an evaluation under a new id."""
    job = parse_evaluation(call.body, str(uuid.uuid4()), now())
    await app.jobs.create(EVALUATION, job)
    location = f"{path_of(call.url)}/{quote(job.id, safe='')}"
    body = msgspec.json.encode(render_evaluation(job, call.version))
    return Answer(body, {"Location": location})


@operation(blueprint, PUT_EVALUATION)
async def put_evaluation(app: Application, call: Call) -> bytes:
    """Keep an evaluation under the caller's id."""
    job_id = job_id_from_url(call.url, evaluations.refuse)
    job = parse_evaluation(call.body, job_id, now())
    return await _create(app, EVALUATION, job, ErrorCode.EVALUATION_ALREADY_EXISTS)


@operation(blueprint, GET_EVALUATION)
async def get_evaluation(app: Application, call: Call) -> bytes:
    """Show an evaluation."""
    series = check_series(call.parameters) if call.version is NEWEST else None
    job = await _find_evaluation(app, job_id_from_url(call.url, evaluations.refuse))
    if series is not None:
        return render_series(job, series)
    return msgspec.json.encode(render_evaluation(job, call.version))


@operation(blueprint, DELETE_EVALUATION)
async def delete_evaluation(app: Application, call: Call) -> bytes:
    """Forget an evaluation."""
    job_id = job_id_from_url(call.url, evaluations.refuse)
    try:
        await app.jobs.delete(EVALUATION, job_id)
    except UnknownJob as exc:
        raise no_job(ErrorCode.EVALUATION_NOT_FOUND, "evaluation") from exc
    return b""


@operation(blueprint, APPLY_FROM_EVALUATION)
async def apply_from_evaluation(app: Application, call: Call) -> bytes:
    """Take over a policy and model that an evaluation found; none has any to give yet."""
    evaluation_id, policy_name = parse_reference(call.body)
    job = await _find_evaluation(app, evaluation_id)
    if policy_name not in {policy.name for policy in job.policies}:
        raise ContractError(
            ErrorCode.LEARNING_SETTINGS_NOT_FOUND,
            "The evaluation has no policy of that name.",
            "policyName",
        )
    raise ContractError(ErrorCode.BAD_REQUEST, "The evaluation must be completed.", "evaluationId")


@operation(blueprint, LIST_FEATURE_IMPORTANCES)
async def list_feature_importances(app: Application, call: Call) -> bytes:
    """List feature importances, newest first."""
    page = parse_page(call.parameters)
    jobs = await app.jobs.all(IMPORTANCE)
    shown = [render_feature_importance(job) for job in jobs]
    return render_page(shown, page, call.url, call.parameters)


@operation(blueprint, CREATE_FEATURE_IMPORTANCE)
async def create_feature_importance(app: Application, call: Call) -> bytes:
    """Keep a feature importance under the caller's id."""
    job_id = job_id_from_url(call.url, feature_importances.refuse)
    job = parse_feature_importance(call.body, job_id, now())
    return await _create(app, IMPORTANCE, job, ErrorCode.FEATURE_IMPORTANCE_ALREADY_EXISTS)


@operation(blueprint, GET_FEATURE_IMPORTANCE)
async def get_feature_importance(app: Application, call: Call) -> bytes:
    """Show a feature importance."""
    job_id = job_id_from_url(call.url, feature_importances.refuse)
    try:
        job = await app.jobs.find(IMPORTANCE, job_id)
    except UnknownJob as exc:
        raise no_job(ErrorCode.FEATURE_IMPORTANCE_NOT_FOUND, "feature importance") from exc
    return msgspec.json.encode(render_feature_importance(job))


@operation(blueprint, DELETE_FEATURE_IMPORTANCE)
async def delete_feature_importance(app: Application, call: Call) -> bytes:
    """Forget a feature importance."""
    job_id = job_id_from_url(call.url, feature_importances.refuse)
    try:
        await app.jobs.delete(IMPORTANCE, job_id)
    except UnknownJob as exc:
        raise no_job(ErrorCode.FEATURE_IMPORTANCE_NOT_FOUND, "feature importance") from exc
    return b""


async def _find_evaluation(app: Application, job_id: str) -> Job:
    try:
        return await app.jobs.find(EVALUATION, job_id)
    except UnknownJob as exc:
        raise no_job(ErrorCode.EVALUATION_NOT_FOUND, "evaluation") from exc


async def _create(app: Application, kind: JobKind, job: Job, taken: ErrorCode) -> bytes:
    try:
        await app.jobs.create(kind, job)
    except JobExists as exc:
        raise ContractError(taken, "There is one of that id already.", "id") from exc
    return b""
