"""How a Rank request is laid out for the learner, as the retired service laid it out.

The form was proved on a genuine exported model: context features become ``FromUrl``, each action
has its id as a feature in ``i`` and its own features in ``j``.
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
