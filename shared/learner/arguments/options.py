"""The words of an argument text: which names are known, and what kind of value each takes."""

import re
import shlex
from collections.abc import Iterator

import msgspec

from shared.learner.arguments.errors import InvalidArgument
from shared.learner.arguments.refusals import refusal

MAX_LENGTH = 1024
"""Characters, as in the retired service."""

MAX_BITS = 24
MAX_ORDER = 4
"""Namespaces in one interaction; higher orders explode."""

MAX_INTERACTIONS = 64

MAX_MEMBERS = 32
"""Members of a bag or a cover; each multiplies the cost of learning and of ranking."""

_SHORT = {"-q": "--quadratic", "-b": "--bit_precision", "-l": "--learning_rate"}
_SWITCHES = frozenset(
    {"--cb_explore_adf", "--ccb_explore_adf", "--first_only", "--noconstant", "--sgd", "--adaptive",
     "--normalized", "--invariant", "--softmax", "--squarecb", "--elim", "--regcb", "--regcbopt",
     "--greedify", "--nounif", "--synthcover", "--large_action_space", "--unweighted_marginals",
     "--leave_duplicate_interactions"}
)  # fmt: skip
NUMBERS = {
    "--bit_precision": (1, MAX_BITS),
    "--learning_rate": (0.0, 1e6),
    "--power_t": (0.0, 10.0),
    "--initial_t": (0.0, 1e12),
    "--l1": (0.0, 1e6),
    "--l2": (0.0, 1e6),
    "--min_prediction": (-1e6, 1e6),
    "--max_prediction": (-1e6, 1e6),
    "--epsilon": (0.0, 1.0),
    "--clip_p": (0.0, 1.0),
    "--lambda": (0.0, 1e9),
    "--gamma_scale": (0.0, 1e9),
    "--gamma_exponent": (0.0, 10.0),
    "--mellowness": (0.0, 1e6),
    "--cb_min_cost": (-1e6, 1e6),
    "--cb_max_cost": (-1e6, 1e6),
    "--first": (0, 10**9),
    "--bag": (1, MAX_MEMBERS),
    "--cover": (1, MAX_MEMBERS),
    "--psi": (0.0, 1e6),
    "--max_actions": (1, 1000),
    "--spanner_c": (1.001, 1e6),
    "--initial_numerator": (-1e6, 1e6),
    "--initial_denominator": (1e-6, 1e6),
    "--decay": (0.0, 0.999),
    "--rnd": (1, MAX_MEMBERS - 1),
    "--rnd_alpha": (1e-6, 1e6),
    "--rnd_invlambda": (1e-6, 1e6),
    "--synthcoverpsi": (1e-6, 1e6),
    "--synthcoversize": (1, 1000),
}
_WHOLE = frozenset(
    {"--bit_precision", "--first", "--bag", "--cover", "--rnd", "--synthcoversize", "--max_actions"}
)
LISTS = {"--quadratic": 2, "--cubic": 3, "--interactions": None}
NAMESPACES = ("--ignore_linear", "--ignore", "--keep")
_NO_MATTER = frozenset({"--id", "--thread_pool_size", "--block_size"})
"""Arguments whose value changes no number."""

_WITH_VALUE = frozenset({*NUMBERS, *LISTS, *NAMESPACES, "--cb_type", "--marginal", *_NO_MATTER})
_SEVERAL_VALUES = frozenset({*LISTS, *NAMESPACES})
_DROPPED = frozenset(
    {"--dsjson", "--json", "--quiet", "--save_resume", "--preserve_performance_counters",
     "--las_hint_explicit_simd"}
)  # fmt: skip
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_SUPPORTED = frozenset({*NUMBERS, *LISTS, *_SWITCHES, *NAMESPACES, "--cb_type", "--marginal"})


class Option(msgspec.Struct, frozen=True):
    """An argument: its long name and its value, empty for a switch."""

    name: str
    value: str


def options(text: str) -> Iterator[Option]:
    """Yield what is asked for, in order; what is dropped is left out.

    A list of values, as in ``-q ab cd``, gives one option for each.
    """
    words = _words(text)
    position = 0
    while position < len(words):
        name, value = _split(words[position])
        position += 1
        if name in _DROPPED or name in _SWITCHES:
            if value is not None:
                raise InvalidArgument(name, f"{name} takes no value")
            if name in _SWITCHES:
                yield Option(name, "")
            continue
        if name not in _WITH_VALUE:
            raise refusal(name, _SUPPORTED)
        if value is None and position < len(words):
            value = words[position]
            position += 1
        if not value:
            raise InvalidArgument(name, f"{name} needs a value")
        if name not in _NO_MATTER:
            yield Option(name, value)
        while name in _SEVERAL_VALUES and position < len(words) and words[position][:1] != "-":
            yield Option(name, words[position])
            position += 1


def _words(text: str) -> list[str]:
    """Return the words, quotes removed as a shell does."""
    if len(text) > MAX_LENGTH:
        raise InvalidArgument("arguments", f"at most {MAX_LENGTH} characters are allowed")
    try:
        return shlex.split(text)
    except ValueError as exc:
        raise InvalidArgument("arguments", f"the text cannot be read: {exc}") from exc


def _split(word: str) -> tuple[str, str | None]:
    """Return the long name and the value glued to it, as in ``--epsilon=0.1`` or ``-q::``."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    short = word[:2]
    if short in _SHORT:
        return _SHORT[short], word[2:] or None
    return word, None


def number(name: str, value: str) -> float:
    if not _NUMBER.fullmatch(value):
        raise InvalidArgument(name, f"{name} needs a number")
    number = float(value)
    low, high = NUMBERS[name]
    if not low <= number <= high:
        raise InvalidArgument(name, f"{name} must be between {low:g} and {high:g}")
    if name in _WHOLE and not number.is_integer():
        raise InvalidArgument(name, f"{name} must be a whole number")
    return number


def interaction(name: str, value: str) -> bytes:
    namespaces = namespaces_of(name, value)
    expected = LISTS[name]
    if expected is not None and len(namespaces) != expected:
        raise InvalidArgument(name, f"{name} takes {expected} namespaces")
    if not 2 <= len(namespaces) <= MAX_ORDER:
        raise InvalidArgument(name, f"{name} takes 2 to {MAX_ORDER} namespaces")
    return namespaces


def namespaces_of(name: str, value: str) -> bytes:
    """Return first bytes of names; VW's escapes (a backslash) are not understood."""
    if not value.isascii() or not value.isprintable() or "\\" in value:
        raise InvalidArgument(name, f"{name} takes plain ASCII letters of namespaces")
    return value.encode()
