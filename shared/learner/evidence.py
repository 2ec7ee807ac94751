"""What some explorations need to know of actions beside their scores."""

from collections.abc import Sequence
from typing import Protocol

from shared.learner.exploration import RandomNetworks, RegCB, SquareCB
from shared.learner.features import Features
from shared.learner.gradient_descent import GradientDescent
from shared.learner.novelty import Novelty
from shared.learner.sensitivity import Sensitivity


class Evidence(Protocol):
    """Tells an exploration more about a decision's actions; never changes, safe for threads."""

    def evidence(
        self,
        context: Features,
        actions: Sequence[bytes],
        scores: Sequence[float],
    ) -> list[list[float]]:
        """Return rows of one number per action, which the exploration is given after the scores.

        Raises:
            FeatureError: The features cannot be read, or combine to too many.
        """


def evidence_of(regressor: GradientDescent) -> Evidence | None:
    """Return what the regressor's exploration needs beside scores, as of now."""
    settings = regressor.settings
    match settings.exploration:
        case RegCB(costs=costs) | SquareCB(costs=costs) if costs:
            return Sensitivity(regressor, costs.labels)
        case RandomNetworks() as networks:
            return Novelty(settings, networks)
    return None
