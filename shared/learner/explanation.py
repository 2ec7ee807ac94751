"""Why an action got its score: what each feature and each combination of features adds to it.

A score is a sum over terms, so the contributions are exact: together they are the score, but for
rounding. This is the slow, clear way to compute it; ``scorer`` is the fast one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.hashing import CONSTANT_HASH
from shared.learner.interactions import Plan, hashes, interactions_of, products
from shared.learner.named_features import CONSTANT, NamedFeature, NamedFeatures, named_features
from shared.learner.policy import Policy

JOINED = "^"
"""Stands between the names of combined features, as in the retired service."""

MOST_NAMED = 100
"""Terms of an action that are named; it bounds what an explanation costs."""

OTHERS = "others"
"""What all terms together are called that are too small to be named."""

_decode = msgspec.json.Decoder().decode
_constant = NamedFeature(CONSTANT, "1", CONSTANT_HASH, 1.0)


class Contribution(msgspec.Struct, frozen=True):
    """What a feature, or a combination, adds to an action's score.

    Attributes:
        name: Such as ``FromUrl.os`` or ``FromUrl.os^j.topic``.
        value: Such as ``linux`` or ``linux^sport``.
        score: In units of reward: positive supports the action.
    """

    name: str
    value: str
    score: float


class Explanation(msgspec.Struct, frozen=True):
    """One action's score, taken apart.

    Attributes:
        score: Predicted reward, which is the negative of the scorer's cost.
        contributions: Those that are not 0, largest first; the smallest of many are summed up.
    """

    score: float
    contributions: tuple[Contribution, ...]


def explain(
    policy: Policy, shared: Mapping[str, bytes | msgspec.Raw], actions: Sequence[bytes]
) -> list[Explanation] | None:
    """Return the explanation of each action; a bag's is the mean of its members'.

    There is none under ``--marginal``: an id's part is then not what the id itself says.

    Args:
        policy: That decides.
        shared: JSON text of the context by namespace, as for ``Policy.decide``.
        actions: Texts made by ``layout.action_json``.
    """
    if policy.settings.marginal:
        return None
    context = named_features({name: _decode(text) for name, text in shared.items()})
    return [_explained(policy, named_features(_decode(text)), context) for text in actions]


def terms(
    settings: LearningSettings, action: NamedFeatures, context: NamedFeatures
) -> tuple[int, int]:
    """Return how many terms an action has, and how many of them combine it with the context."""
    plan = _plan(settings, action, context)
    higher = sum(block.shape[1] for block in plan.higher_mixed)
    return plan.size, len(plan.mixed.left) + higher


def _plan(settings: LearningSettings, action: NamedFeatures, context: NamedFeatures) -> Plan:
    return interactions_of(settings).plan(action.shape, context.shape)


def _explained(policy: Policy, action: NamedFeatures, context: NamedFeatures) -> Explanation:
    stride = np.uint32(policy.settings.stride)
    row = (*action.features, _constant, *context.features)
    hashed = np.array([feature.hash for feature in row], np.uint32) * stride
    values = np.array([feature.value for feature in row], np.float32)
    total, count = 0.0, 0
    largest: list[tuple[float, list[int]]] = []
    with np.errstate(all="ignore"):
        for block in _plan(policy.settings, action, context).terms:
            found = -_weights(policy, hashes(block, hashed)) * products(block, values)
            total += float(found.sum())
            count += int(np.count_nonzero(found))
            top = np.argsort(-np.abs(found), kind="stable")[:MOST_NAMED]
            largest += zip(found[top].tolist(), block[:, top].T.tolist(), strict=True)
    largest = [each for each in largest if each[0]]
    largest.sort(key=lambda each: -abs(each[0]))
    contributions = _named(row, largest[:MOST_NAMED])
    if count > MOST_NAMED:
        rest = total - sum(score for score, _ in largest[:MOST_NAMED])
        contributions.append(Contribution(OTHERS, "", rest))
    return Explanation(total, tuple(contributions))


def _named(
    row: Sequence[NamedFeature], terms: Sequence[tuple[float, list[int]]]
) -> list[Contribution]:
    """Return scores and columns of terms by name, largest first."""
    added: dict[tuple[str, str], float] = defaultdict(float)
    names = [feature.name for feature in row]
    texts = [feature.text for feature in row]
    for score, columns in terms:
        name = JOINED.join([names[column] for column in columns])
        added[name, JOINED.join([texts[column] for column in columns])] += score
    contributions = [Contribution(*called, score) for called, score in added.items()]
    contributions.sort(key=lambda each: (-abs(each.score), each.name, each.value))
    return contributions


def _weights(policy: Policy, hashed: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return the weights of terms; the mean of the members' if there are several."""
    mask = np.uint32(len(policy.weights) - 1)
    slots = np.array([(hashed + np.uint32(o)) & mask for o in policy.settings.cost_offsets])
    return np.asarray(policy.weights[slots].mean(axis=0, dtype=np.float64))
