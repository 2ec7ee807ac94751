"""The API's description in OpenAPI 3.1, generated from the tables that the app is made of."""

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec

from shared.contract.bodies import FREE_FORM, Body
from shared.contract.descriptions import DESCRIPTIONS, TAGS, Description, Parameter
from shared.contract.errors import ErrorCode
from shared.contract.fields import MAX_ID
from shared.contract.operations import KEY_HEADER, OPERATIONS, Operation, Surface
from shared.contract.versions import ApiVersion
from shared.services.loop_registry import KEYS, NAME
from shared.services.loop_state import DEFAULT_LOOP

VERSION = "0.1.0"
NEWEST = ApiVersion.V2022_09_01_PREVIEW

_ABOUT = """Rank and Reward as Azure AI Personalizer had them, self-hosted.

Every operation of the Personalizer API is served on all its published versions: with the version
in the path, or, for 2022-09-01-preview, in the query. The default loop is served at the root;
every loop, also the default one, below `/loops/{loop}`, which clients take as their endpoint.
"""
_EVERYWHERE = (
    ErrorCode.BAD_REQUEST,
    ErrorCode.PAYLOAD_SIZE_EXCEEDED,
    ErrorCode.UNAUTHORIZED,
    ErrorCode.INVALID_API_ACCESS,
    ErrorCode.RESOURCE_NOT_FOUND,
    ErrorCode.TOO_MANY_CALLS,
    ErrorCode.INTERNAL_SERVER_ERROR,
    ErrorCode.STORAGE_UNAVAILABLE,
    ErrorCode.SIGNING_KEYS_UNAVAILABLE,
)
_PATH_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "loop": {"type": "string", "pattern": f"^{NAME}$"},
    "number": {"type": "integer", "minimum": 1, "maximum": KEYS},
}
_IN_PATH = {"enum": [version for version in ApiVersion if version is not NEWEST]}
_AN_ID = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID,
    "pattern": r"^[^\u0000-\u001f]*$",
}


class PersonalizerError(Body):
    """Why a request was refused."""

    code: str
    message: str
    target: str | None = None


class ErrorResponse(Body):
    """The body of every refusal; ``target`` names the field at fault."""

    error: PersonalizerError


@cache
def document() -> tuple[bytes, str]:
    """Return the description as JSON, and its ETag."""
    text = msgspec.json.encode(describe())
    return text, f'"{sha256(text).hexdigest()[:32]}"'


def describe() -> dict[str, Any]:
    """Return the description."""
    components = _Components()
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in OPERATIONS:
        description = DESCRIPTIONS.get(operation)
        if description is None:
            continue
        for name, path in _paths(operation).items():
            item = paths[f"/{path}"]
            item[operation.method.lower()] = _operation(
                name, path, operation, description, components
            )
            if operation.surface is not Surface.PERSONALIZER:
                item["servers"] = [{"url": "/"}]
    paths["/openapi.json"] = _OWN_PATH
    return {
        "openapi": "3.1.0",
        "info": {"title": "Open Personalizer", "version": VERSION, "description": _ABOUT},
        "servers": [
            {"url": "/", "description": "The default loop."},
            {
                "url": "/loops/{loop}",
                "description": "Any loop.",
                "variables": {"loop": {"default": DEFAULT_LOOP}},
            },
        ],
        "security": [{"key": []}, {"entra": []}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components.schemas(),
            "responses": components.responses,
            "headers": {
                "ErrorCode": {"description": "The error's code.", "schema": {"type": "string"}}
            },
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": KEY_HEADER,
                    "description": "A key of the app, or of the loop.",
                },
                "entra": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of Microsoft Entra ID, where the app is set up for it.",
                },
            },
        },
    }


_OWN_PATH: dict[str, Any] = {
    "servers": [{"url": "/"}],
    "get": {
        "operationId": "OpenApi_Get",
        "summary": "Return this document.",
        "security": [],
        "responses": {
            "200": {
                "description": "The document.",
                "headers": {"ETag": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "304": {"description": "It is the one that If-None-Match names."},
        },
    },
}


class _Components:
    """What operations refer to, so that it stands in the document once."""

    def __init__(self) -> None:
        self._types: list[Any] = [ErrorResponse]
        self.responses: dict[str, Any] = {}

    def schema(self, of: Any) -> Mapping[str, Any]:
        """Return the schema of a body: a reference to a component."""
        self._types.append(of)
        (schema,), _ = _generate([of])
        return schema

    def refusal(self, codes: list[ErrorCode], *, code_header: bool) -> Mapping[str, Any]:
        """Return the response of errors of one status: a reference to a component."""
        special = [code.text for code in codes if code not in _EVERYWHERE]
        name = "_".join([str(codes[0].status), *special, *(["2022"] if code_header else [])])
        self.responses[name] = _refusal(codes, code_header=code_header)
        return {"$ref": f"#/components/responses/{name}"}

    def schemas(self) -> dict[str, Any]:
        """Return the schemas of all types that were referred to."""
        _, found = _generate(self._types)
        return {**found, **FREE_FORM}


def _generate(types: list[Any]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    return msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")


def _paths(operation: Operation) -> dict[str, str]:
    """Return the paths of an operation, by operation id; servers say the loop."""
    return {
        name: path for name, path in operation.routes.items() if not name.endswith(_OF_LOOP_NAMES)
    }


_OF_LOOP_NAMES = ("_of_loop", "_of_loop_versionless")


def _operation(
    name: str, path: str, operation: Operation, description: Description, components: _Components
) -> dict[str, Any]:
    personalizer = operation.surface is Surface.PERSONALIZER
    newest = personalizer and "{version}" not in path
    described: dict[str, Any] = {
        "operationId": name,
        "tags": [description.tag],
        "summary": description.summary,
        "parameters": [
            _path_parameter(found, operation.surface) for found in re.findall(r"{(\w+)}", path)
        ],
        "responses": _responses(operation, description, newest, components),
    }
    query = description.query
    if newest:
        query += (Parameter("api-version", {"enum": [NEWEST]}, "Of the API.", required=True),)
        query += description.newest_query
    described["parameters"] += [_query_parameter(parameter) for parameter in query]
    request = (newest and description.newest_request) or description.request
    if request is not None:
        described["requestBody"] = {
            "required": not description.body_is_optional,
            "content": _content(request, components, examples=description.examples),
        }
    return described


def _path_parameter(name: str, surface: Surface) -> dict[str, Any]:
    schema = _PATH_PARAMETERS.get(name, _AN_ID)
    if name == "version" and surface is Surface.PERSONALIZER:
        schema = _IN_PATH
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.about,
        "schema": parameter.schema,
    }


def _responses(
    operation: Operation, description: Description, newest: bool, components: _Components
) -> dict[str, Any]:
    response = (newest and description.newest_response) or description.response
    success: dict[str, Any] = {"description": "Success."}
    if response is not None:
        examples = {} if description.answer is None else {"an answer": description.answer}
        success["content"] = _content(
            response, components, media_type=operation.media_type, examples=examples
        )
    if description.headers:
        success["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in description.headers.items()
        }
    responses: dict[str, Any] = {str(operation.success): success}
    if description.created is not None:
        responses["201"] = {
            "description": "Created.",
            "content": _content(description.created, components),
        }
    by_status: dict[int, list[ErrorCode]] = defaultdict(list)
    for code in (*_EVERYWHERE, *description.refusals):
        by_status[code.status].append(code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = components.refusal(codes, code_header=newest)
    return responses


def _refusal(codes: list[ErrorCode], *, code_header: bool) -> dict[str, Any]:
    refusal: dict[str, Any] = {
        "description": " ".join(f"`{code.text}`: {code.value.about}" for code in codes),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
    }
    if code_header:
        refusal["headers"] = {"x-ms-error-code": {"$ref": "#/components/headers/ErrorCode"}}
    return refusal


def _content(
    of: Any,
    components: _Components,
    *,
    media_type: str = "application/json",
    examples: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    if of is bytes:
        return {media_type if media_type != "application/json" else "application/octet-stream": {}}
    content: dict[str, Any] = {"schema": components.schema(of)}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {media_type: content}
