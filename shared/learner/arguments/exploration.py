"""Which exploration an argument text chooses."""

from collections.abc import Mapping, Sequence

from shared.learner.arguments.errors import InvalidArgument
from shared.learner.exploration import (
    Bag,
    CostRange,
    Cover,
    EpsilonGreedy,
    Exploration,
    ExploreFirst,
    RandomNetworks,
    RegCB,
    Softmax,
    SquareCB,
    SyntheticCover,
)

_PLAUSIBLE = {"--mellowness", "--cb_min_cost", "--cb_max_cost"}
_EXPLORATIONS = {
    "--softmax": {"--lambda"},
    "--squarecb": {"--gamma_scale", "--gamma_exponent", "--elim", *_PLAUSIBLE},
    "--regcb": {"--regcbopt", "--first_only", *_PLAUSIBLE},
    "--rnd": {"--rnd_alpha", "--rnd_invlambda"},
    "--first": set[str](),
    "--bag": {"--greedify", "--first_only"},
    "--cover": {"--psi", "--nounif", "--first_only"},
    "--synthcover": {"--synthcoverpsi", "--synthcoversize"},
}
"""Arguments that choose an exploration, with those that only some of these take."""

_COST_TYPES = {
    "--squarecb": ("mtr",),
    "--regcb": ("mtr",),
    "--cover": ("mtr", "ips", "dr"),
}
"""Of explorations that do not take all of them."""


def default_epsilon(exploration: Exploration) -> float:
    """Return the share of decisions spent exploring if the text does not say it."""
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
    if "--regcbopt" in given:
        given = {**given, "--regcb": ""}  # as VW, which calls the short form deprecated
    chosen = [name for name in _EXPLORATIONS if name in given]
    _require_fitting(chosen, given)
    first_only = "--first_only" in given
    match chosen:
        case ["--softmax"]:
            return Softmax(numbers.get("--lambda", 1.0))
        case ["--squarecb"]:
            return SquareCB(
                numbers.get("--gamma_scale", 10.0),
                numbers.get("--gamma_exponent", 0.5),
                _costs(numbers, 0.001) if "--elim" in given else None,
            )
        case ["--regcb"]:
            return RegCB(_costs(numbers, 0.1), "--regcbopt" in given, first_only)
        case ["--rnd"]:
            alpha, inverse = numbers.get("--rnd_alpha", 0.1), numbers.get("--rnd_invlambda", 0.1)
            return RandomNetworks(int(numbers["--rnd"]), alpha, inverse)
        case ["--first"]:
            return ExploreFirst(int(numbers["--first"]))
        case ["--bag"]:
            return Bag(int(numbers["--bag"]), "--greedify" in given, first_only)
        case ["--cover"]:
            psi, decays = numbers.get("--psi", 1.0), "--epsilon" not in given
            return Cover(int(numbers["--cover"]), psi, first_only, decays, "--nounif" in given)
        case ["--synthcover"]:
            return SyntheticCover(
                int(numbers.get("--synthcoversize", 100)), numbers.get("--synthcoverpsi", 0.1)
            )
    return EpsilonGreedy(first_only)


def _require_fitting(chosen: Sequence[str], given: Mapping[str, str]) -> None:
    """Refuse arguments that have no meaning beside each other."""
    if len(chosen) > 1:
        raise InvalidArgument(chosen[1], f"{chosen[1]} and {chosen[0]} exclude each other")
    allowed = _EXPLORATIONS[chosen[0]] if chosen else {"--first_only"}
    for argument in sorted(set().union(*_EXPLORATIONS.values()) & given.keys() - allowed):
        users = [name for name, belonging in _EXPLORATIONS.items() if argument in belonging]
        raise InvalidArgument(argument, f"{argument} is of use with {' or '.join(users)} only")
    if chosen and chosen[0] in _COST_TYPES:
        taken = _COST_TYPES[chosen[0]]
        if given.get("--cb_type", "mtr") not in taken:
            raise InvalidArgument(
                "--cb_type", f"{chosen[0]} takes --cb_type {' or '.join(taken)} only"
            )


def _costs(numbers: Mapping[str, float], mellowness: float) -> CostRange:
    """Return the plausible costs, with that mellowness if the text does not say it."""
    lowest, highest = numbers.get("--cb_min_cost", 0.0), numbers.get("--cb_max_cost", 1.0)
    if lowest >= highest:
        raise InvalidArgument("--cb_min_cost", "--cb_min_cost must be below --cb_max_cost")
    return CostRange(numbers.get("--mellowness", mellowness), lowest, highest)
