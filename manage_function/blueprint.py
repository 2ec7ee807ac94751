"""HTTP: service configuration, policy, model properties, and what is not there."""

import azure.functions as func

from shared.contract.model_properties import render_model_properties
from shared.contract.operations import (
    GET_MODEL_PROPERTIES,
    GET_POLICY,
    GET_SERVICE,
    PUT_POLICY,
    PUT_SERVICE,
    RESET_POLICY,
    no_operation,
)
from shared.contract.policy import parse_policy, render_policy, reset_policy
from shared.contract.service_configuration import (
    parse_service_configuration,
    render_service_configuration,
)
from shared.endpoint import Call, authenticate, operation, refusal
from shared.wiring import Application, now

blueprint = func.Blueprint()


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


async def nothing_here(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what no operation answers: 405, or 404 with a hint."""
    try:
        authenticate(req)
    except Exception as exc:  # noqa: BLE001 (whatever it is, the answer is documented)
        return refusal(exc)
    return refusal(no_operation(req.method, req.url))


METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]

for _name, _route in {
    "nothing_here": "personalizer/{*path}",
    "nothing_here_2019": "personalization/{*path}",
}.items():
    blueprint.function_name(_name)(
        blueprint.route(_route, methods=METHODS, auth_level=func.AuthLevel.ANONYMOUS)(nothing_here)
    )
