"""The API's description, as tests look at it."""

import json

import jsonschema_rs

from shared.contract.openapi import NEWEST, document
from shared.contract.operations import Surface

DOCUMENT = json.loads(document()[0])


def described(operation, *, newest=False):
    """Return the description of an operation, in a version in the path or in the newest."""
    by_query = newest and operation.surface is Surface.PERSONALIZER
    name = f"{operation.name}_versionless" if by_query else operation.name
    return next(
        method
        for item in DOCUMENT["paths"].values()
        for method in item.values()
        if isinstance(method, dict) and method["operationId"] == name
    )


def is_newest(version):
    """Whether a version stands in the query."""
    return version == NEWEST


def validator(schema):
    """Return what validates against a schema of the description, formats included."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, validate_formats=True
    )


def json_schema(part):
    """Return the schema of a request's or an answer's JSON body; None if it has no such body."""
    if "$ref" in part:
        part = DOCUMENT["components"]["responses"][part["$ref"].rpartition("/")[2]]
    return part.get("content", {}).get("application/json", {}).get("schema")


def codes(operation, *, newest=False):
    """Return the error codes that an operation is described to answer with."""
    texts = (
        DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]["description"]
        for response in described(operation, newest=newest)["responses"].values()
        if "$ref" in response
    )
    return {part.strip("`:") for text in texts for part in text.split() if part.endswith("`:")}
