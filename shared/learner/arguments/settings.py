"""Learning settings, understood."""

from dataclasses import dataclass

from shared.learner.exploration import Cover, EpsilonGreedy, Exploration


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
        slots: Decisions may be over several slots (``--ccb_explore_adf``).
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
    slots: bool = False

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
