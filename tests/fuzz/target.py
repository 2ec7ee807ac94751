"""What is fuzzed: a parser, what must hold of everything it is given, and where to begin."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from shared.contract.errors import ContractError, render_error

Havoc = Callable[[bytes, random.Random], bytes]
"""Changes bytes without knowing what they mean."""

Mutator = Callable[[bytes, random.Random, Havoc], bytes]
"""Changes an input, by its structure where it has one."""


@dataclass(frozen=True)
class Target:
    """A parser under test.

    Attributes:
        name: Of the parser, and of the folder with its reproducers.
        run: Parses the bytes and checks what must hold of them; returns whether they were accepted.
            Whatever it raises is a failure.
        seeds: Inputs to begin with; most of them are accepted.
        mutate: Makes new inputs of old ones.
        most: Bytes of an input.
    """

    name: str
    run: Callable[[bytes], bool]
    seeds: Callable[[], Sequence[bytes]]
    mutate: Mutator
    most: int = 1500


def refused(error: ContractError) -> bool:
    """Check that a refusal is one that the API describes; return that nothing was accepted."""
    status, _, body = render_error(error)
    shown = msgspec.json.decode(body)["error"]
    assert 400 <= status < 500, f"a refusal with status {status}"
    assert error.target, f"a refusal without a target: {error}"
    assert shown["message"].endswith("."), f"not a sentence: {error}"
    assert len(body) < 5000, f"a refusal of {len(body)} bytes"
    return False
