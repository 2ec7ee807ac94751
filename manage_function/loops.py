"""HTTP: the loops of the app, their keys and logs."""

import asyncio
import gzip

import azure.functions as func

from shared.contract.errors import ContractError, ErrorCode
from shared.contract.logs import PAGE_BYTES, next_page, parse_log_query, render_log_properties
from shared.contract.loop_document import parse_loop_document
from shared.contract.loops import (
    no_loop_name,
    parse_key_number,
    render_key,
    render_loop,
    render_loops,
)
from shared.contract.operations import (
    DELETE_LOGS,
    DELETE_LOOP,
    GET_LOG,
    GET_LOG_PROPERTIES,
    GET_LOOP,
    LIST_LOOPS,
    LOG_INTERACTIONS,
    LOG_OBSERVATIONS,
    PUT_LOOP,
    REGENERATE_KEY,
)
from shared.contract.paths import path_of
from shared.endpoint import Answer, Call, app_operation, operation
from shared.events.joined_log import encode_line
from shared.services.loop_registry import is_loop_name
from shared.services.loop_state import DEFAULT_LOOP
from shared.wiring import Application, Process, now

blueprint = func.Blueprint()

_UNREADABLE_BATCH = ContractError(
    ErrorCode.INVALID_REQUEST,
    "Batches of events from local inference cannot be read; call Rank and Reward.",
    "body",
)


@app_operation(blueprint, LIST_LOOPS)
async def list_loops(process: Process, call: Call) -> bytes:
    """Name all loops."""
    return render_loops(await process.registry.names())


@app_operation(blueprint, PUT_LOOP)
async def put_loop(process: Process, call: Call) -> Answer:
    """Create a loop, or change it; its keys are shown once, when it is created."""
    if not is_loop_name(call.loop):
        raise no_loop_name(call.loop)
    document = parse_loop_document(call.body, now)
    keys = await process.registry.create(call.loop)
    if call.body:
        app = await process.application(call.loop)
        await app.loops.change_settings(call.loop, document.change)
    body = await _described(process, call.loop, keys)
    return Answer(body, status=201 if keys else 200)


@app_operation(blueprint, GET_LOOP)
async def get_loop(process: Process, call: Call) -> bytes:
    """Show a loop's settings and state."""
    return await _described(process, call.loop)


@app_operation(blueprint, DELETE_LOOP)
async def delete_loop(process: Process, call: Call) -> bytes:
    """Delete a loop with its settings, models, keys and events."""
    if call.loop == DEFAULT_LOOP:
        raise ContractError(
            ErrorCode.BAD_REQUEST,
            "The default loop cannot be deleted; its logs and model can.",
            "loop",
        )
    await process.registry.delete(call.loop)
    return b""


@app_operation(blueprint, REGENERATE_KEY)
async def regenerate_key(process: Process, call: Call) -> bytes:
    """Replace a key of a loop; the old one stops opening it within seconds."""
    number = parse_key_number(call.route["number"])
    if call.loop == DEFAULT_LOOP:
        raise ContractError(
            ErrorCode.BAD_REQUEST, "The default loop's keys are app settings.", "loop"
        )
    return render_key(number, await process.registry.regenerate_key(call.loop, number))


@operation(blueprint, GET_LOG_PROPERTIES)
async def get_log_properties(app: Application, call: Call) -> bytes:
    """Show from when to when events are logged."""
    return render_log_properties(await app.logs.date_range())


@operation(blueprint, DELETE_LOGS)
async def delete_logs(app: Application, call: Call) -> bytes:
    """Delete all events and the joined log."""
    await app.logs.delete()
    return b""


@operation(blueprint, LOG_INTERACTIONS)
async def log_interactions(app: Application, call: Call) -> bytes:
    """Refuse decisions that a client made by itself."""
    raise _UNREADABLE_BATCH


@operation(blueprint, LOG_OBSERVATIONS)
async def log_observations(app: Application, call: Call) -> bytes:
    """Refuse what was observed for decisions that a client made by itself."""
    raise _UNREADABLE_BATCH


@operation(blueprint, GET_LOG)
async def get_log(app: Application, call: Call) -> Answer:
    """Return a page of the joined log as decision-service JSON lines; ``Link`` names the next."""
    query = parse_log_query(call.parameters, now())
    page = bytearray()
    headers = {}
    bucket, seen, skip = None, 0, query.skip
    async for line in app.logs.read(query.start, query.end):
        if line.Bucket != bucket:
            skip = skip if bucket is None else 0  # only lines of the first bucket were sent before
            bucket, seen = line.Bucket, 0
        if skip:
            skip -= 1
        elif len(page) >= PAGE_BYTES:
            headers["Link"] = next_page(path_of(call.url), query, line.Bucket, seen)
            break
        else:
            page += encode_line(line)
        seen += 1
    if "gzip" not in call.headers.get("accept-encoding", ""):
        return Answer(bytes(page), headers)
    compressed = await asyncio.to_thread(gzip.compress, bytes(page), 6, mtime=0)
    return Answer(compressed, {**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"})


async def _described(process: Process, loop: str, keys: tuple[str, ...] = ()) -> bytes:
    record = await process.registry.find(loop)
    app = await process.application(loop)
    settings, _ = await app.loops.settings(loop)
    state, _ = await app.loops.state(loop)
    return render_loop(record, settings, state, keys)
