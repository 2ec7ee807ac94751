"""Reads Bicep files as syntax trees, with a parser from PyPI that needs no Azure tool."""

from functools import cache
from pathlib import Path

from pycep import BicepParser

INFRA = Path(__file__).resolve().parent.parent.parent / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))


@cache
def parsed(name):
    """The tree of a file, by its path below ``infra``."""
    return BicepParser().parse(file_path=INFRA / name)


def value(name, variable):
    """A variable's value; where it is a call, the literal that is its last argument."""
    found = parsed(name)["variables"][variable]["value"]
    while isinstance(found, dict) and "function" in found:
        found = list(found["function"]["parameters"].values())[-1]
    return found


def body(declared):
    """What a resource or module declares, within its condition or loop if it has one."""
    found = declared["config"]
    while "config" in found:
        found = found["config"]
    return found


def strings(tree):
    """Every string and key in a tree."""
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield key
            yield from strings(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from strings(item)
    elif isinstance(tree, str):
        yield tree
