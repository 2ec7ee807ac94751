"""What was said about a decision afterwards: a reward, or that it was shown."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Observation:
    """One Reward or Activate call as received.

    Attributes:
        event_id: The decision that it speaks about.
        id: Unique name of this call; a write repeated by us keeps it, so that it counts once.
        time: When the call arrived; timezone-aware.
        reward: The reward's value, or None for an activation.
    """

    event_id: str
    id: str
    time: datetime
    reward: float | None

    @property
    def is_activation(self) -> bool:
        """Whether the call activated a deferred decision rather than rewarded it."""
        return self.reward is None
