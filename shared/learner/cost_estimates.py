"""From one observed cost to what the regressor learns, although most actions were not tried."""

from dataclasses import dataclass


@dataclass(slots=True)
class MultiTaskRegression:
    """``--cb_type mtr``: learn the chosen action only, weighted by its rarity.

    Source: ``gen_cs_example_mtr`` in Vowpal Wabbit's cb_algs (Bietti, Agarwal and Langford 2018,
    "A Contextual Bandit Bake-off", section 2).

    Attributes:
        events: Decisions seen.
        actions: Actions offered in all of them.
    """

    events: int = 0
    actions: int = 0

    def importance(self, n_actions: int, probability: float, clip_p: float) -> float:
        """Count a decision and return the importance of its chosen action.

        Args:
            n_actions: How many actions it offered.
            probability: Chance that the logging policy gave the chosen one.
            clip_p: Smallest probability to divide by.
        """
        self.events += 1
        self.actions += n_actions
        return self.events / self.actions / max(probability, clip_p)
