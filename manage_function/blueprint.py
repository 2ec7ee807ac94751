"""HTTP: service configuration, policy, model properties, and what is not there."""

import asyncio

import azure.functions as func

from shared import wiring
from shared.contract.errors import ContractError, ErrorCode, sentence
from shared.contract.model_properties import is_signed, model_headers, render_model_properties
from shared.contract.operations import (
    GET_MODEL,
    GET_MODEL_PROPERTIES,
    GET_POLICY,
    GET_SERVICE,
    PUBLISH_MODEL,
    PUT_MODEL,
    PUT_POLICY,
    PUT_SERVICE,
    RESET_MODEL,
    RESET_POLICY,
    no_operation,
)
from shared.contract.policy import parse_policy, render_policy, reset_policy
from shared.contract.service_configuration import (
    parse_service_configuration,
    render_service_configuration,
)
from shared.endpoint import Answer, Call, authenticate, operation, refusal, response
from shared.learner.vw_model import ModelFileError
from shared.services.loop_state import DEFAULT_LOOP
from shared.services.model import UnknownModel
from shared.wiring import Application, now

blueprint = func.Blueprint()

_one_at_a_time = asyncio.Semaphore()  # a model of 2^24 weights takes a gigabyte while it is read


@operation(blueprint, GET_SERVICE)
async def get_service_configuration(app: Application, call: Call) -> bytes:
    """Show the service configuration."""
    settings, _ = await app.loops.settings(app.loop)
    return render_service_configuration(settings, call.version)


@operation(blueprint, PUT_SERVICE)
async def put_service_configuration(app: Application, call: Call) -> bytes:
    """Change the service configuration."""
    changed = await app.loops.change_settings(
        app.loop,
        lambda current: parse_service_configuration(call.body, current, call.version, now()),
    )
    return render_service_configuration(changed, call.version)


@operation(blueprint, GET_POLICY)
async def get_policy(app: Application, call: Call) -> bytes:
    """Show the learning settings."""
    settings, _ = await app.loops.settings(app.loop)
    return render_policy(settings)


@operation(blueprint, PUT_POLICY)
async def put_policy(app: Application, call: Call) -> bytes:
    """Change the learning settings; the model is learned anew."""
    return render_policy(
        await app.loops.change_settings(
            app.loop, lambda current: parse_policy(call.body, current, now())
        )
    )


@operation(blueprint, RESET_POLICY)
async def delete_policy(app: Application, call: Call) -> bytes:
    """Go back to the default learning settings; the model is learned anew."""
    return render_policy(
        await app.loops.change_settings(app.loop, lambda current: reset_policy(current, now()))
    )


@operation(blueprint, GET_MODEL_PROPERTIES)
async def get_model_properties(app: Application, call: Call) -> bytes:
    """Show since when the published model learns, and when it was last changed."""
    state, _ = await app.loops.state(app.loop)
    model = state.published
    if model is None:
        return render_model_properties(None, None)
    return render_model_properties(model.created, model.modified)


@operation(blueprint, GET_MODEL)
async def get_model(app: Application, call: Call) -> Answer:
    """Show the published model as a file of Vowpal Wabbit, in a signed zip if asked for."""
    signed = is_signed(call.parameters)
    exported = await app.models.export_model()
    if exported is None:
        return Answer(b"")
    model, modified = exported
    if signed:
        model = await _signed(app, model)
    return Answer(model, model_headers(modified, signed=signed))


async def _signed(app: Application, model: bytes) -> bytes:
    from shared.contract import model_export  # its library is not needed at start

    secret = await app.models.document(
        "signer.pem",
        lambda: model_export.dump_signer(model_export.new_signer("Open Personalizer", now())),
    )
    signer = model_export.load_signer(secret)
    return await asyncio.to_thread(model_export.write, model, signer)


@operation(blueprint, PUT_MODEL)
async def put_model(app: Application, call: Call) -> bytes:
    """Serve a model that was exported, and go on learning from it."""
    from shared.contract import model_export

    try:
        async with _one_at_a_time:
            model = await asyncio.to_thread(model_export.model_of, call.body)
            await app.models.import_model(model)
    except ModelFileError as exc:
        raise ContractError(ErrorCode.INVALID_MODEL_FORMAT, sentence(exc), "body") from exc
    return b""


@operation(blueprint, PUBLISH_MODEL)
async def publish_model(app: Application, call: Call) -> bytes:
    """Go back to a model that was published before."""
    try:
        await app.models.publish_earlier(call.route["version"])
    except UnknownModel as exc:
        raise ContractError(
            ErrorCode.RESOURCE_NOT_FOUND,
            "The loop has no such earlier model; GET /loops/{loop} lists them.",
            "version",
        ) from exc
    except ModelFileError as exc:
        raise ContractError(ErrorCode.INVALID_MODEL_FORMAT, sentence(exc), "version") from exc
    return b""


@operation(blueprint, RESET_MODEL)
async def delete_model(app: Application, call: Call) -> bytes:
    """Forget what was learned; all actions are equally likely again."""
    await app.models.reset_model()
    return b""


@blueprint.function_name("openapi")
@blueprint.route("openapi.json", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Describe the API; anybody may ask, since it says nothing about this app."""
    from shared.contract.openapi import document  # not needed at start

    body, etag = document()
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if etag in req.headers.get("If-None-Match", ""):
        return response(304, b"", headers)
    return response(200, body, headers)


PATIENCE = 20
"""Seconds within which it is said that there is nothing, whatever storage does."""


async def nothing_here(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what no operation answers: 405, or 404 with a hint."""
    try:
        async with asyncio.timeout(PATIENCE):
            process = await wiring.process()
            await authenticate(process, req, req.route_params.get("loop", DEFAULT_LOOP))
    except Exception as exc:  # noqa: BLE001 (whatever it is, the answer is documented)
        return refusal(exc)
    return refusal(no_operation(req.method, req.url))


METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]

for _name, _route in {
    "nothing_here": "personalizer/{*path}",
    "nothing_here_2019": "personalization/{*path}",
    "nothing_here_of_loop": "loops/{loop}/{*path}",
}.items():
    blueprint.function_name(_name)(
        blueprint.route(_route, methods=METHODS, auth_level=func.AuthLevel.ANONYMOUS)(nothing_here)
    )
