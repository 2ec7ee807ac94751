"""From one observed cost to what the regressor learns, although most actions were not tried."""

import msgspec
import numpy as np

_ONE = np.float32(1)


class MultiTaskRegression(msgspec.Struct):
    """``--cb_type mtr``: learn the chosen action's cost only, weighted by the action's rarity.

    Source: ``gen_cs_example_mtr`` in Vowpal Wabbit's cb_algs (Bietti, Agarwal and Langford 2018,
    "A Contextual Bandit Bake-off").

    Attributes:
        events: Decisions learned.
        actions: Actions offered in all of them.
    """

    events: int = 0
    actions: int = 0

    def importance(self, n_actions: int, probability: float) -> float:
        """Return the importance of the next decision's chosen action.

        Args:
            n_actions: How many actions the decision offers.
            probability: Chance that the logging policy gave the chosen one, above 0.
        """
        share = _ONE * (self.events + 1) / (_ONE * (self.actions + n_actions))
        return float(_ONE / probability * share)

    def count(self, n_actions: int) -> None:
        """Count a decision that was learned."""
        self.events += 1
        self.actions += n_actions
