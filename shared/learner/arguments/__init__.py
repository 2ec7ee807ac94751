"""Learning settings: the Vowpal Wabbit arguments that we understand, and the refusal of all others.

Nothing is skipped in silence. An argument either does what it does in VW 9.11, or is harmless to
learning (output and input format of VW's own program) and dropped, or is refused by its name.
"""

import re
from collections.abc import Mapping

from shared.learner.arguments.errors import ArgumentsError, InvalidArgument, UnsupportedArgument
from shared.learner.arguments.exploration import default_epsilon, exploration_of
from shared.learner.arguments.options import (
    LISTS,
    MAX_INTERACTIONS,
    MAX_LENGTH,
    NAMESPACES,
    NUMBERS,
    interaction,
    namespaces_of,
    number,
    options,
)
from shared.learner.arguments.settings import (
    LargeActionSettings,
    LearningSettings,
    MarginalSettings,
)
from shared.learner.exploration import (
    EpsilonGreedy,
    Exploration,
    Softmax,
    SquareCB,
)

__all__ = [
    "MAX_LENGTH",
    "ArgumentsError",
    "InvalidArgument",
    "LargeActionSettings",
    "LearningSettings",
    "MarginalSettings",
    "UnsupportedArgument",
    "explicit_epsilon",
    "parse",
    "with_epsilon",
]

_COST_TYPES = ("mtr", "ips", "dm", "dr")
_OF_LARGE = {"--max_actions", "--spanner_c"}
_OF_MARGINAL = {"--initial_numerator", "--initial_denominator", "--decay", "--unweighted_marginals"}


def parse(arguments: str) -> LearningSettings:
    """Return the settings that a Vowpal Wabbit argument text asks for.

    Raises:
        UnsupportedArgument: It names something that this learner does not do.
        InvalidArgument: A value is missing, is not a number, or is out of range.
    """
    given: dict[str, str] = {}
    interactions: list[bytes] = []
    namespaces = dict.fromkeys(NAMESPACES, b"")
    for option in options(arguments):
        name, value = option.name, option.value
        if name in LISTS:
            interactions.append(interaction(name, value))
        elif name in namespaces:
            namespaces[name] += namespaces_of(name, value)
        elif given.setdefault(name, value) != value:
            raise InvalidArgument(name, f"{name} is given twice with different values")
    if not {"--cb_explore_adf", "--ccb_explore_adf"} & given.keys():
        raise InvalidArgument(
            "--cb_explore_adf",
            "the arguments must contain --cb_explore_adf, or --ccb_explore_adf for slots",
        )
    if {"--ccb_explore_adf", "--leave_duplicate_interactions"} <= given.keys():
        raise UnsupportedArgument(
            "--leave_duplicate_interactions",
            "--leave_duplicate_interactions is not supported with --ccb_explore_adf",
        )
    if given.get("--cb_type", "mtr") not in _COST_TYPES:
        raise UnsupportedArgument(
            "--cb_type",
            f"--cb_type {given['--cb_type'][:20]} is not supported; use {', '.join(_COST_TYPES)}",
        )
    if len(interactions) > MAX_INTERACTIONS:
        raise InvalidArgument(
            "--interactions",
            f"--interactions, -q and --cubic take {MAX_INTERACTIONS} interactions in all",
        )
    ignore_linear, ignore, keep = (bytes(sorted(set(each))) for each in namespaces.values())
    return _settings(arguments, given, tuple(interactions), ignore_linear, ignore, keep)


def explicit_epsilon(arguments: str) -> float | None:
    """Return the ``--epsilon`` that the text itself sets, if it does.

    Raises:
        ArgumentsError: As ``parse``, as far as words and ``--epsilon`` are concerned.
    """
    for option in options(arguments):
        if option.name == "--epsilon":
            return number(option.name, option.value)
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
    numbers = {name: number(name, given[name]) for name in NUMBERS if name in given}
    exploration = exploration_of(given, numbers)
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
        epsilon=numbers.get("--epsilon", default_epsilon(exploration)),
        exploration=exploration,
        clip_p=numbers.get("--clip_p", 0.0),
        constant="--noconstant" not in given,
        interactions=interactions,
        ignore_linear=ignore_linear,
        ignore=ignore,
        keep=keep,
        duplicate_interactions="--leave_duplicate_interactions" in given,
        slots="--ccb_explore_adf" in given,
        marginal=_marginal(given, numbers),
        large=_large(given, numbers, exploration),
    )


def _large(
    given: Mapping[str, str], numbers: Mapping[str, float], exploration: Exploration
) -> LargeActionSettings | None:
    """Return what ``--large_action_space`` and its arguments ask for.

    Raises:
        InvalidArgument: They cannot be used beside each other, or with the exploration.
    """
    if "--large_action_space" not in given:
        for argument in sorted(_OF_LARGE & given.keys()):
            raise InvalidArgument(argument, f"{argument} is of use with --large_action_space only")
        return None
    plain = isinstance(exploration, EpsilonGreedy | Softmax | SquareCB)
    elsewhere = {"--elim", "--marginal", "--ccb_explore_adf"} & given.keys()
    if not plain or elsewhere or given.get("--cb_type", "mtr") != "mtr":
        raise InvalidArgument(
            "--large_action_space",
            "--large_action_space takes --epsilon, --softmax or --squarecb with --cb_type mtr; "
            "not --elim, --marginal or --ccb_explore_adf",
        )
    return LargeActionSettings(
        int(numbers.get("--max_actions", 20)), numbers.get("--spanner_c", 2.0)
    )


def _marginal(given: Mapping[str, str], numbers: Mapping[str, float]) -> MarginalSettings | None:
    """Return what ``--marginal`` and its arguments ask for.

    Raises:
        InvalidArgument: They cannot be used beside each other, or with the exploration.
    """
    if "--marginal" not in given:
        for argument in sorted(_OF_MARGINAL & given.keys()):
            raise InvalidArgument(argument, f"{argument} is of use with --marginal only")
        return None
    namespaces = namespaces_of("--marginal", given["--marginal"])
    if b":" in namespaces:
        raise InvalidArgument("--marginal", "--marginal takes no wildcard")
    return MarginalSettings(
        namespaces=namespaces,
        initial_numerator=numbers.get("--initial_numerator", 0.5),
        initial_denominator=numbers.get("--initial_denominator", 1.0),
        decay=numbers.get("--decay", 0.0),
        unweighted="--unweighted_marginals" in given,
    )
