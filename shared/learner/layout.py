"""How a Rank request is laid out for the learner, as the retired service laid it out.

The form was proved on a genuine exported model: context features become ``FromUrl``, each action
has its id as a feature in ``i`` and its own features in ``j``. Slots have theirs in ``sj``, as in
its logs and as its .NET library wrote them.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=8192)
def action_json(action_id: str, features: bytes) -> bytes:
    """Return an action as Vowpal Wabbit JSON (UTF-8).

    Args:
        action_id: The caller's name of the action.
        features: JSON text of its array of features.
    """
    name = _encode(action_id)
    return b'{"_tag":%b,"i":{"constant":1,"id":%b},"j":%b}' % (name, name, features)


def decision_json(context_features: bytes, actions: Sequence[bytes]) -> bytes:
    """Return a whole decision as Vowpal Wabbit JSON (UTF-8).

    Args:
        context_features: JSON text of the array of context features.
        actions: Texts made by ``action_json``.
    """
    return b'{"FromUrl":%b,"_multi":[%b]}' % (context_features, b",".join(actions))


def slot_json(slot_id: str, features: bytes, allowed: Sequence[int] | None = None) -> bytes:
    """Return a slot as Vowpal Wabbit JSON (UTF-8).

    Args:
        slot_id: The caller's name of the slot.
        features: JSON text of its array of features.
        allowed: Positions of the actions that it may have, at least one; None for all.
    """
    if allowed is None:
        return b'{"_id":%b,"sj":%b}' % (_encode(slot_id), features)
    items = (features.strip()[1:-1].strip(), b'{"_inc":%b}' % _encode(list(allowed)))
    return b'{"_id":%b,"sj":[%b]}' % (_encode(slot_id), b",".join(filter(None, items)))


def slots_json(context_features: bytes, actions: Sequence[bytes], slots: Sequence[bytes]) -> bytes:
    """Return a whole decision over slots as Vowpal Wabbit JSON (UTF-8).

    Args:
        context_features: JSON text of the array of context features.
        actions: Texts made by ``action_json``.
        slots: Texts made by ``slot_json``.
    """
    decision = decision_json(context_features, actions)
    return b'%b,"_slots":[%b]}' % (decision[:-1], b",".join(slots))
