"""A minimal Functions host over Microsoft's own worker runtime: ``worker_host.py FOLDER``.

It speaks to the runtime in-process, as the 3.13+ worker does: index the app, then invoke
functions. Prints one JSON document.
"""

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(sys.argv[1])
MESSAGES = (
    "WorkerInitResponse WorkerMetadata FunctionMetadataResponse FunctionLoadResponse "
    "InvocationResponse RpcFunctionMetadata RpcException RpcHttp RpcHttpCookie TypedData "
    "ParameterBinding RpcRetryOptions NullableString NullableBool NullableDouble "
    "NullableTimestamp FunctionEnvironmentReloadResponse"
).split()


class Message:
    """Takes the place of every protobuf message: a bag of fields."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


class StatusResult(Message):
    Success, Failure = 1, 0


class BindingInfo(Message):
    out, inout, undefined = 1, 2, 0


async def main():
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import azure_functions_runtime as runtime
    from azure_functions_runtime.bindings.datumdef import Datum
    from azure_functions_runtime.native_invocation import invocation_request_native

    protos = SimpleNamespace(
        **{name: type(name, (Message,), {}) for name in MESSAGES},
        StatusResult=StatusResult,
        BindingInfo=BindingInfo,
    )
    init = SimpleNamespace(capabilities={}, function_app_directory=str(ROOT))
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init),
        properties={"protos": protos, "host": "127.0.0.1"},
    )
    await runtime.worker_init_request(request)
    runtime.start_threadpool_executor()
    indexed = await runtime.functions_metadata_request(request)
    found = {function.name: function for function in indexed.function_metadata_results}

    async def http(name, body, version="v1.0", **params):
        string = lambda text: Datum(text, "string")  # noqa: E731
        path = f"personalizer/{version}/events/{params.get('eventId', 'x')}/reward"
        call = {
            "method": string("POST"),
            "url": string(f"http://localhost/{path}"),
            "headers": {
                "content-type": string("application/json"),
                "ocp-apim-subscription-key": string(os.environ["PERSONALIZER_KEY_1"]),
            },
            "body": Datum(json.dumps(body).encode(), "bytes"),
            "params": {"version": string(version), **{k: string(v) for k, v in params.items()}},
            "query": {},
        }
        ok, answer, _, error, _ = await invocation_request_native(
            str(uuid.uuid4()), found[name].function_id, [("req", Datum(call, "http"))], {}
        )
        if not ok:
            return {"error": str(error)}
        fields = answer.value
        text = fields["body"].value
        return {"status": fields["status_code"].value, "body": json.loads(text) if text else None}

    async def get(name, **params):
        string = lambda text: Datum(text, "string")  # noqa: E731
        call = {
            "method": string("GET"),
            "url": string("http://localhost/"),
            "headers": {},
            "body": Datum(b"", "bytes"),
            "params": {k: string(v) for k, v in params.items()},
            "query": {},
        }
        _, answer, _, error, _ = await invocation_request_native(
            str(uuid.uuid4()), found[name].function_id, [("req", Datum(call, "http"))], {}
        )
        if answer is None:
            return {"error": str(error)}
        fields = answer.value
        return {
            "status": str(fields["status_code"].value),
            "type": fields["headers"]["content-type"].value,
        }

    rank = {"actions": [{"id": "a", "features": [{"x": 1}]}], "eventId": "worker/1"}
    results = {
        "functions": sorted(found),
        "folder": str(Path(sys.modules["function_app"].__file__).parent),
        "rank": await http("Rank", rank),
        "reward": await http("Events_Reward", {"value": 1}, eventId="worker%2F1"),
    }
    results["page"] = await get("page")
    results["static"] = await get("static", file="api.js")
    timer = Datum(json.dumps({"IsPastDue": False, "Schedule": {}, "ScheduleStatus": None}), "json")
    ok, _, _, error, _ = await invocation_request_native(
        str(uuid.uuid4()), found["train"].function_id, [("timer", timer)], {}
    )
    results["train"] = {"ok": bool(ok), "error": str(error) if error else None}
    sys.stdout.write(f"RESULT {json.dumps(results)}\n")


asyncio.run(main())
