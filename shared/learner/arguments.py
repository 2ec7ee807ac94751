"""Learning settings: the Vowpal Wabbit arguments that we understand, and the refusal of all others.

Nothing is skipped in silence. An argument either does what it does in VW 9.11, or is harmless to
learning (output and input format of VW's own program) and dropped, or is refused by its name.
"""

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.learner.exploration import (
    Bag,
    Cover,
    EpsilonGreedy,
    Exploration,
    ExploreFirst,
    Softmax,
    SquareCB,
    SyntheticCover,
)

MAX_LENGTH = 1024
"""Characters, as in the retired service."""

MAX_BITS = 24
MAX_ORDER = 4
"""Namespaces in one interaction; higher orders explode."""

MAX_INTERACTIONS = 64

MAX_MEMBERS = 32
"""Members of a bag or a cover; each multiplies the cost of learning and of ranking."""


class ArgumentsError(ValueError):
    """A learning setting cannot be used.

    Attributes:
        argument: Its name, such as ``--bag``.
    """

    def __init__(self, argument: str, message: str) -> None:
        """Complain about ``argument``."""
        super().__init__(message)
        self.argument = argument


class UnsupportedArgument(ArgumentsError):
    """Vowpal Wabbit may know the argument; this learner does not."""


class InvalidArgument(ArgumentsError):
    """The argument is known, its value is not usable."""


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """Parsed arguments. Defaults and meanings are Vowpal Wabbit's.

    Attributes:
        arguments: The text that was parsed.
        bits: Weights are ``2 ** bits`` (``-b``).
        learning_rate: ``-l``; VW's default is 0.5, or 10 without adaptive and normalised updates.
        power_t: Exponent of the learning rate's decay.
        initial_t: Where the decay's clock starts.
        adaptive: Per-feature rates from the sum of squared gradients.
        normalized: Updates independent of the features' scales.
        invariant: Updates safe under large importance weights.
        l1: Weight of the absolute values of weights in what is minimised.
        l2: Weight of their squares.
        min_prediction: Lowest prediction; None for the lowest label seen, or 0.
        max_prediction: Highest prediction; None for the highest label seen, or 0.
        cost_type: How the costs of actions that were not chosen are estimated: ``mtr``,
            ``ips``, ``dm`` or ``dr`` (``--cb_type``).
        epsilon: Share of decisions spent exploring, spread over all actions.
        exploration: How scores become probabilities.
        clip_p: Smallest probability used in an importance weight.
        constant: Whether every action has a constant feature.
        interactions: Namespaces to combine; each byte is the first of a name, ``:`` any.
        ignore_linear: Namespaces whose features count in combinations only.
        ignore: Namespaces left out altogether.
        keep: If any, all other namespaces are left out.
        duplicate_interactions: Combinations of the same namespaces count each time.
    """

    arguments: str
    bits: int = 18
    learning_rate: float = 0.5
    power_t: float = 0.5
    initial_t: float = 0.0
    adaptive: bool = True
    normalized: bool = True
    invariant: bool = True
    l1: float = 0.0
    l2: float = 0.0
    min_prediction: float | None = None
    max_prediction: float | None = None
    cost_type: str = "mtr"
    epsilon: float = 0.05
    exploration: Exploration = EpsilonGreedy()  # noqa: RUF009 (frozen)
    clip_p: float = 0.0
    constant: bool = True
    interactions: tuple[bytes, ...] = ()
    ignore_linear: bytes = b""
    ignore: bytes = b""
    keep: bytes = b""
    duplicate_interactions: bool = False

    @property
    def width(self) -> int:
        """Weights that one feature may use: for each member, and for a regressor of costs."""
        if isinstance(self.exploration, Cover):
            return (self.exploration.members + 1) * (1 if self.cost_type == "ips" else 2)
        return self.exploration.members * (2 if self.cost_type == "dr" else 1)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Which of these weights the members use; the one after the first is a regressor's."""
        members = self.exploration.members
        if isinstance(self.exploration, Cover):
            return (0, *range(2, members + 1))
        return tuple(range(0, self.width, self.width // members))

    @property
    def stride(self) -> int:
        """Slots from one feature to the next: the width, rounded up to a power of two."""
        return 1 << (self.width - 1).bit_length()


_SHORT = {"-q": "--quadratic", "-b": "--bit_precision", "-l": "--learning_rate"}
_SWITCHES = frozenset(
    {"--cb_explore_adf", "--first_only", "--noconstant", "--sgd", "--adaptive", "--normalized",
     "--invariant", "--softmax", "--squarecb", "--greedify", "--synthcover",
     "--leave_duplicate_interactions"}
)  # fmt: skip
_NUMBERS = {
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
    "--first": (0, 10**9),
    "--bag": (1, MAX_MEMBERS),
    "--cover": (1, MAX_MEMBERS),
    "--psi": (0.0, 1e6),
    "--synthcoverpsi": (1e-6, 1e6),
    "--synthcoversize": (1, 1000),
}
_WHOLE = frozenset({"--bit_precision", "--first", "--bag", "--cover", "--synthcoversize"})
_LISTS = {"--quadratic": 2, "--cubic": 3, "--interactions": None}
_NAMESPACES = ("--ignore_linear", "--ignore", "--keep")
_COST_TYPES = ("mtr", "ips", "dm", "dr")
_WITH_VALUE = frozenset({*_NUMBERS, *_LISTS, *_NAMESPACES, "--cb_type", "--id"})
_SEVERAL_VALUES = frozenset({*_LISTS, *_NAMESPACES})
_DROPPED = frozenset(
    {"--dsjson", "--json", "--quiet", "--save_resume", "--preserve_performance_counters"}
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FILES = frozenset(
    {"-d", "--data", "-i", "--initial_regressor", "-f", "--final_regressor", "-p", "--predictions",
     "-r", "--raw_predictions", "--cache_file", "--readable_model", "--invert_hash", "--daemon",
     "--feature_mask", "--dictionary"}
)  # fmt: skip
_EXPLORATIONS = {
    "--softmax": {"--lambda"},
    "--squarecb": {"--gamma_scale", "--gamma_exponent"},
    "--first": set[str](),
    "--bag": {"--greedify", "--first_only"},
    "--cover": {"--psi", "--first_only"},
    "--synthcover": {"--synthcoverpsi", "--synthcoversize"},
}
"""Arguments that choose an exploration, with those that only it takes."""

_NOT_YET = frozenset({"--regcb", "--regcbopt", "--rnd", "--elim"})


def parse(arguments: str) -> LearningSettings:
    """Return the settings that a Vowpal Wabbit argument text asks for.

    Raises:
        UnsupportedArgument: It names something that this learner does not do.
        InvalidArgument: A value is missing, is not a number, or is out of range.
    """
    given: dict[str, str] = {}
    interactions: list[bytes] = []
    namespaces = dict.fromkeys(_NAMESPACES, b"")
    for option in _options(arguments):
        name, value = option.name, option.value
        if name in _LISTS:
            interactions.append(_interaction(name, value))
        elif name in namespaces:
            namespaces[name] += _namespaces(name, value)
        elif given.setdefault(name, value) != value:
            raise InvalidArgument(name, f"{name} is given twice with different values")
    if "--cb_explore_adf" not in given:
        raise InvalidArgument("--cb_explore_adf", "the arguments must contain --cb_explore_adf")
    if given.get("--cb_type", "mtr") not in _COST_TYPES:
        raise UnsupportedArgument(
            "--cb_type",
            f"--cb_type {given['--cb_type'][:20]} is not supported; use {', '.join(_COST_TYPES)}",
        )
    if len(interactions) > MAX_INTERACTIONS:
        raise InvalidArgument(
            "--interactions", f"at most {MAX_INTERACTIONS} interactions are allowed"
        )
    ignore_linear, ignore, keep = (bytes(sorted(set(each))) for each in namespaces.values())
    return _settings(arguments, given, tuple(interactions), ignore_linear, ignore, keep)


def explicit_epsilon(arguments: str) -> float | None:
    """Return the ``--epsilon`` that the text itself sets, if it does.

    Raises:
        ArgumentsError: As ``parse``, as far as words and ``--epsilon`` are concerned.
    """
    for option in _options(arguments):
        if option.name == "--epsilon":
            return _number(option.name, option.value)
    return None


def with_epsilon(arguments: str, epsilon: float) -> str:
    """Return the text with its ``--epsilon`` set, everything else unchanged.

    This looks at the text only: quotes can mislead it, and the result may be too long. A caller
    that takes texts from outside parses the result to be sure.
    """
    pattern = r"(?<!\S)--epsilon(?:=|\s+)(\S+)"
    if re.search(pattern, arguments):
        return re.sub(pattern, f"--epsilon {epsilon!r}", arguments)
    return f"{arguments} --epsilon {epsilon!r}"


def _settings(
    text: str,
    given: Mapping[str, str],
    interactions: tuple[bytes, ...],
    ignore_linear: bytes,
    ignore: bytes,
    keep: bytes,
) -> LearningSettings:
    numbers = {name: _number(name, given[name]) for name in _NUMBERS if name in given}
    exploration = _exploration(given, numbers)
    chosen = {"--sgd", "--adaptive", "--normalized", "--invariant"} & given.keys()
    adaptive = not chosen or "--adaptive" in chosen
    normalized = not chosen or "--normalized" in chosen
    # gd.cc: rate 10 and a clock that starts at 1 unless the updates rescale themselves
    default_rate = 0.5 if adaptive and normalized else 10.0
    default_t = 0.0 if adaptive or normalized else 1.0
    return LearningSettings(
        arguments=text,
        bits=int(numbers.get("--bit_precision", 18)),
        learning_rate=numbers.get("--learning_rate", default_rate),
        power_t=numbers.get("--power_t", 0.5),
        initial_t=numbers.get("--initial_t", default_t),
        adaptive=adaptive,
        normalized=normalized,
        invariant=not chosen or "--invariant" in chosen,
        l1=numbers.get("--l1", 0.0),
        l2=numbers.get("--l2", 0.0),
        min_prediction=numbers.get("--min_prediction"),
        max_prediction=numbers.get("--max_prediction"),
        cost_type=given.get("--cb_type", "mtr"),
        epsilon=numbers.get("--epsilon", _default_epsilon(exploration)),
        exploration=exploration,
        clip_p=numbers.get("--clip_p", 0.0),
        constant="--noconstant" not in given,
        interactions=interactions,
        ignore_linear=ignore_linear,
        ignore=ignore,
        keep=keep,
        duplicate_interactions="--leave_duplicate_interactions" in given,
    )


def _default_epsilon(exploration: Exploration) -> float:
    match exploration:
        case EpsilonGreedy():
            return 0.05
        case Cover():
            return 1.0
    return 0.0


def _exploration(given: Mapping[str, str], numbers: Mapping[str, float]) -> Exploration:
    """Return the exploration that is chosen.

    Raises:
        InvalidArgument: Two are chosen, or an argument belongs to one that is not chosen.
    """
    chosen = [name for name in _EXPLORATIONS if name in given]
    if len(chosen) > 1:
        raise InvalidArgument(chosen[1], f"{chosen[1]} and {chosen[0]} exclude each other")
    allowed = _EXPLORATIONS[chosen[0]] if chosen else {"--first_only"}
    for name, belonging in _EXPLORATIONS.items():
        for argument in sorted(belonging & given.keys() - allowed):
            raise InvalidArgument(argument, f"{argument} is of use with {name} only")
    if chosen == ["--squarecb"] and given.get("--cb_type", "mtr") != "mtr":
        raise InvalidArgument("--cb_type", "--squarecb takes --cb_type mtr only")
    if chosen == ["--cover"] and given.get("--cb_type") == "dm":
        raise InvalidArgument("--cb_type", "--cover takes --cb_type mtr, ips or dr")
    first_only = "--first_only" in given
    match chosen:
        case ["--softmax"]:
            return Softmax(numbers.get("--lambda", 1.0))
        case ["--squarecb"]:
            return SquareCB(
                numbers.get("--gamma_scale", 10.0), numbers.get("--gamma_exponent", 0.5)
            )
        case ["--first"]:
            return ExploreFirst(int(numbers["--first"]))
        case ["--bag"]:
            return Bag(int(numbers["--bag"]), "--greedify" in given, first_only)
        case ["--cover"]:
            psi, decays = numbers.get("--psi", 1.0), "--epsilon" not in given
            return Cover(int(numbers["--cover"]), psi, first_only, decays)
        case ["--synthcover"]:
            return SyntheticCover(
                int(numbers.get("--synthcoversize", 100)), numbers.get("--synthcoverpsi", 0.1)
            )
    return EpsilonGreedy(first_only)


@dataclass(frozen=True, slots=True)
class _Option:
    """An argument: its long name and its value, empty for a switch."""

    name: str
    value: str


def _options(text: str) -> Iterator[_Option]:
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
                yield _Option(name, "")
            continue
        if name not in _WITH_VALUE:
            raise _refusal(name)
        if value is None and position < len(words):
            value = words[position]
            position += 1
        if not value:
            raise InvalidArgument(name, f"{name} needs a value")
        if name != "--id":
            yield _Option(name, value)
        while name in _SEVERAL_VALUES and position < len(words) and words[position][:1] != "-":
            yield _Option(name, words[position])
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


def _refusal(name: str) -> ArgumentsError:
    shown = name[:40]
    if not name.startswith("-"):
        return InvalidArgument(shown, f"{shown!r} is not an argument")
    if name in _FILES:
        return UnsupportedArgument(
            shown, f"{shown} is refused: input, output and files are not settings"
        )
    if name in _NOT_YET:
        return UnsupportedArgument(
            shown, f"{shown} is not supported; the nearest exploration is --squarecb"
        )
    return UnsupportedArgument(shown, f"{shown} is not supported; {_nearest(name)}")


def _nearest(name: str) -> str:
    known = sorted({*_NUMBERS, *_LISTS, *_SWITCHES, *_NAMESPACES, "--cb_type"})
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return f"the nearest supported argument is {close[0]}"


def _number(name: str, value: str) -> float:
    if not _NUMBER.fullmatch(value):
        raise InvalidArgument(name, f"{name} needs a number")
    number = float(value)
    low, high = _NUMBERS[name]
    if not low <= number <= high:
        raise InvalidArgument(name, f"{name} must be between {low:g} and {high:g}")
    if name in _WHOLE and not number.is_integer():
        raise InvalidArgument(name, f"{name} must be a whole number")
    return number


def _interaction(name: str, value: str) -> bytes:
    namespaces = _namespaces(name, value)
    expected = _LISTS[name]
    if expected is not None and len(namespaces) != expected:
        raise InvalidArgument(name, f"{name} takes {expected} namespaces")
    if not 2 <= len(namespaces) <= MAX_ORDER:
        raise InvalidArgument(name, f"{name} takes 2 to {MAX_ORDER} namespaces")
    return namespaces


def _namespaces(name: str, value: str) -> bytes:
    """Return first bytes of names; VW's escapes (a backslash) are not understood."""
    if not value.isascii() or not value.isprintable() or "\\" in value:
        raise InvalidArgument(name, f"{name} takes plain ASCII letters of namespaces")
    return value.encode()
