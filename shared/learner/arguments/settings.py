"""Learning settings, understood."""

import msgspec

from shared.learner.exploration import Cover, EpsilonGreedy, Exploration, RandomNetworks


class MarginalSettings(msgspec.Struct, frozen=True):
    """How ids are replaced by the mean of the costs that were seen with them (``--marginal``).

    Attributes:
        namespaces: First bytes of the names of those that hold ids.
        initial_numerator: Cost of an id that was never seen, times ``initial_denominator``.
        initial_denominator: How many costs that counts for.
        decay: Share of what is known of an id that is forgotten whenever it is seen.
        unweighted: Every example counts once, whatever its importance.
    """

    namespaces: bytes
    initial_numerator: float = 0.5
    initial_denominator: float = 1.0
    decay: float = 0.0
    unweighted: bool = False


class LargeActionSettings(msgspec.Struct, frozen=True):
    """How many actions take part in exploration (``--large_action_space``).

    Attributes:
        max_actions: At most so many, and the best one.
        spanner_c: How nearly these must span all.
    """

    max_actions: int = 20
    spanner_c: float = 2.0


class LearningSettings(msgspec.Struct, frozen=True):
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
        marginal: Which ids are replaced by their mean cost, if any.
        large: How many actions take part in exploration, if not all.
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
    exploration: Exploration = EpsilonGreedy()
    clip_p: float = 0.0
    constant: bool = True
    interactions: tuple[bytes, ...] = ()
    ignore_linear: bytes = b""
    ignore: bytes = b""
    keep: bytes = b""
    duplicate_interactions: bool = False
    slots: bool = False
    marginal: MarginalSettings | None = None
    large: LargeActionSettings | None = None

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
    def cost_offsets(self) -> tuple[int, ...]:
        """Which of these weights predict costs."""
        return self.offsets[:1] if isinstance(self.exploration, RandomNetworks) else self.offsets

    @property
    def stride(self) -> int:
        """Slots from one feature to the next: the width, rounded up to a power of two."""
        return 1 << (self.width - 1).bit_length()
