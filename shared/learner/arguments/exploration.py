"""Which exploration an argument text chooses."""

from collections.abc import Mapping

from shared.learner.arguments.errors import InvalidArgument
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

_EXPLORATIONS = {
    "--softmax": {"--lambda"},
    "--squarecb": {"--gamma_scale", "--gamma_exponent"},
    "--first": set[str](),
    "--bag": {"--greedify", "--first_only"},
    "--cover": {"--psi", "--first_only"},
    "--synthcover": {"--synthcoverpsi", "--synthcoversize"},
}
"""Arguments that choose an exploration, with those that only it takes."""


def default_epsilon(exploration: Exploration) -> float:
    match exploration:
        case EpsilonGreedy():
            return 0.05
        case Cover():
            return 1.0
    return 0.0


def exploration_of(given: Mapping[str, str], numbers: Mapping[str, float]) -> Exploration:
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
