"""What was said about a decision afterwards: a reward, or that it was shown."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SlotReward:
    """The reward of one slot of a decision."""

    slot: str
    value: float


@dataclass(frozen=True, slots=True)
class Observation:
    """One Reward or Activate call as received.

    Attributes:
        event_id: The decision that it speaks about.
        id: Unique name of this call; a write repeated by us keeps it, so that it counts once.
        time: When the call arrived; timezone-aware.
        reward: The reward's value; None for an activation, and where slots are rewarded.
        slot_rewards: Of single slots, in the order of the call, which may name one twice.
    """

    event_id: str
    id: str
    time: datetime
    reward: float | None
    slot_rewards: tuple[SlotReward, ...] = ()

    @property
    def is_activation(self) -> bool:
        """Whether the call activated a deferred decision as a whole rather than rewarded it."""
        return self.reward is None and not self.slot_rewards
