"""HTTP: health, metrics, the doctor, decisions, the page and its files."""

import asyncio
from collections.abc import Mapping

import azure.functions as func
import msgspec

from dashboard_function.static_files import files, serve
from shared import wiring
from shared.contract.decisions import parse_top, render_decision, render_decisions
from shared.contract.doctor import render_diagnosis
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.event_ids import event_id_at_end
from shared.contract.metrics import parse_range, render_metrics
from shared.contract.operations import GET_DECISION, GET_DECISIONS, GET_DOCTOR, GET_METRICS
from shared.contract.times import parse_time
from shared.endpoint import Call, operation, refusal, response
from shared.services.ports import StorageError
from shared.services.storage_watch import StorageWatch

blueprint = func.Blueprint()

PATIENCE = 2.0
"""Seconds that a health probe waits for a process's first look at its storage."""


@blueprint.function_name("health")
@blueprint.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Say that this process is alive, and what it knows of its storage and its loop.

    Always 200: no restart brings storage back, and one that is refused here would be restarted.
    """
    return response(200, _body(await _health()))


@blueprint.function_name("ready")
@blueprint.route("health/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def ready(req: func.HttpRequest) -> func.HttpResponse:
    """Say the same with 503 while storage is away, for who has another app to send calls to."""
    report = await _health()
    return response(200 if report["ready"] else 503, _body(report))


async def _health() -> dict[str, object]:
    """Return the report. It costs storage nothing: it is what polls and calls have seen."""
    process = await wiring.opened()
    app = await process.application()
    try:
        async with asyncio.timeout(PATIENCE):
            await process.ready()
            served = await app.reader.served()
    except (StorageError, TimeoutError):
        return _standing(process.watch, ready=False)
    state = served.state
    published = state.published_at if served.policy else None
    return {
        **_standing(process.watch, ready=not process.watch.away),
        "model": {
            "version": served.model_version or None,
            "ageSeconds": round((wiring.now() - published).total_seconds()) if published else None,
            "learnedEvents": state.published.learned if state.published else 0,
        },
        "lastTraining": state.last_training,
        "closedEvents": state.counters.events,
        "lateEvents": state.counters.late_events,
    }


def _standing(watch: StorageWatch, *, ready: bool) -> dict[str, object]:
    return {
        "alive": True,
        "ready": ready,
        "storage": "reachable" if ready else "unreachable",
        "storageSince": watch.since,
        "lastWrite": watch.events.last_success,
        "lastPoll": watch.documents.last_success,
        "retriesRefused": watch.retries.refused,
        "unloggedDecisions": watch.unlogged,
    }


METHODS = ["GET", "HEAD"]
PAGES = {"": "dashboard.html", "dashboard": "dashboard.html", "demo": "demo.html"}


@blueprint.function_name("page")
@blueprint.route("{page?}", methods=METHODS, auth_level=func.AuthLevel.ANONYMOUS)
async def page(req: func.HttpRequest) -> func.HttpResponse:
    """Serve a page. It holds no data: that is fetched with the key that its reader gives."""
    name = req.route_params.get("page", "")
    if name and req.url.partition("?")[0].endswith("/"):
        return func.HttpResponse(status_code=308, headers={"Location": f"../{name}"})
    return _file(PAGES.get(name.lower()), req)


@blueprint.function_name("static")
@blueprint.route("static/{*file}", methods=METHODS, auth_level=func.AuthLevel.ANONYMOUS)
async def static(req: func.HttpRequest) -> func.HttpResponse:
    """Serve a file that the pages load."""
    return _file(req.route_params.get("file"), req)


def _file(name: str | None, req: func.HttpRequest) -> func.HttpResponse:
    file = files().get(name or "")
    if file is None:
        return refusal(ContractError(ErrorCode.RESOURCE_NOT_FOUND, "There is no such page."))
    return serve(file, req)


@operation(blueprint, GET_METRICS)
async def metrics(app: wiring.Application, call: Call) -> bytes:
    """Show what a loop does and what it earns, for a range of time."""
    wanted = parse_range(call.parameters, app.metrics.levels, wiring.now())
    report = await app.metrics.report(wanted)
    return await asyncio.to_thread(render_metrics, app.loop, report)


@operation(blueprint, GET_DOCTOR)
async def doctor(app: wiring.Application, call: Call) -> bytes:
    """Say what is wrong with a loop, and what to do about it."""
    return render_diagnosis(app.loop, await app.doctor.diagnose())


@operation(blueprint, GET_DECISIONS)
async def decisions(app: wiring.Application, call: Call) -> bytes:
    """Show the latest decisions and what came of them."""
    latest = await app.decisions.latest(parse_top(call.parameters))
    return render_decisions(app.loop, latest)


@operation(blueprint, GET_DECISION)
async def decision(app: wiring.Application, call: Call) -> bytes:
    """Show one decision and why it was made."""
    event_id = event_id_at_end(call.url)
    found = await app.decisions.find(event_id, parse_time(call.parameters, "time"))
    if found is None:
        raise ContractError(ErrorCode.RESOURCE_NOT_FOUND, "There is no such decision.")
    return render_decision(app.loop, found)


def _body(report: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(report)
