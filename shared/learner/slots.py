"""A decision over several slots: the earlier ones pick first, and no action is used twice."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from shared.learner.effort import Repeats
from shared.learner.features import shared_features
from shared.learner.policy import Policy, choose, drawn_first, uniform
from shared.learner.slot_features import are_numbered, contexts, read_slots


class SlotDecision(msgspec.Struct, frozen=True):
    """How a policy sees one slot, and what was drawn for it.

    Attributes:
        ranking: Positions, among the decision's actions, of those that the slot could have: best
            first after the drawn one was put in front.
        probabilities: Chance of each, in the order of ``ranking``.
        scores: Predicted cost of each, likewise; empty without a model.
    """

    ranking: tuple[int, ...]
    probabilities: tuple[float, ...]
    scores: tuple[float, ...] = ()

    @property
    def chosen(self) -> int | None:
        """Position of the drawn action; None if earlier slots have left none that is allowed."""
        return self.ranking[0] if self.ranking else None

    @property
    def propensity(self) -> float | None:
        """Chance that the drawn action had, if there is one."""
        return self.probabilities[0] if self.probabilities else None


def decide_slots(
    policy: Policy | None,
    shared: Mapping[str, bytes | msgspec.Raw],
    actions: Sequence[bytes],
    slots: Sequence[bytes | msgspec.Raw],
    draw: Callable[[int], float],
) -> tuple[SlotDecision, ...]:
    """Return the decision for each slot, in their order.

    Args:
        policy: Who decides; without one all actions are equally likely.
        shared: JSON text of the context by namespace, such as ``{"FromUrl": b"[...]"}``.
        actions: Texts made by ``layout.action_json``.
        slots: Texts made by ``layout.slot_json``.
        draw: Gives the number in [0, 1) that draws the action of a slot, by its index.

    Raises:
        FeatureError: The features cannot be read or combine to too many, or there are more slots
            than actions, or an action is allowed that there is not.
    """
    read = read_slots(slots, len(actions), zeros=True)
    numbered = policy is not None and (policy.knows_slots or are_numbered(read, policy.settings))
    taken: set[int] = set()
    found = []
    context_of = list(contexts(shared_features(shared, zeros=True), read, numbered))
    repeats = Repeats(len(slots), len({context.shape for context in context_of}))
    for index, (slot, context) in enumerate(zip(read, context_of, strict=True)):
        offered = slot.offered(len(actions), taken)
        if not offered:
            found.append(SlotDecision((), ()))
            continue
        if policy is None:
            decision = uniform(len(offered))
        else:
            decision = policy.decide_within(context, actions, offered, repeats)
        drawn = choose(decision.order, decision.probabilities, draw(index))
        ranking = drawn_first(decision.order, drawn)
        taken.add(offered[ranking[0]])
        found.append(
            SlotDecision(
                tuple(offered[action] for action in ranking),
                tuple(decision.probabilities[action] for action in ranking),
                tuple(decision.scores[action] for action in ranking) if decision.scores else (),
            )
        )
    return tuple(found)
