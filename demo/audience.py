"""Visitors of a coffee shop: what they like depends on who they are and when, and changes."""

import random
from dataclasses import dataclass

DRINKS = {
    "espresso": {"hot": True, "sweet": False, "strong": 3},
    "cappuccino": {"hot": True, "sweet": True, "strong": 2},
    "iced latte": {"hot": False, "sweet": True, "strong": 1},
    "lemonade": {"hot": False, "sweet": True, "strong": 0},
}
_FAVOURITES = (
    {"morning": "espresso", "noon": "cappuccino", "evening": "lemonade"},
    {"morning": "cappuccino", "noon": "iced latte", "evening": "espresso"},  # after the change
)
LIKED, OTHERWISE = 0.9, 0.1
"""Chance of a sale for a visitor's favourite and for any other drink."""

BEST = LIKED
RANDOM = (LIKED + (len(DRINKS) - 1) * OTHERWISE) / len(DRINKS)


@dataclass(frozen=True, slots=True)
class Visitor:
    """What the shop can see of a visitor, and what only the visitor knows."""

    time: str
    weather: str
    member: bool
    favourite: str

    @property
    def context(self) -> list[dict[str, object]]:
        """Context features of a Rank call."""
        return [{"time": self.time, "weather": self.weather}, {"customer": {"member": self.member}}]

    def buys(self, drink: str, rng: random.Random) -> bool:
        """Whether the visitor takes what is offered."""
        return rng.random() < (LIKED if drink == self.favourite else OTHERWISE)


def visitor(rng: random.Random, *, changed: bool) -> Visitor:
    """Return the next visitor; tastes are others once ``changed``."""
    time = rng.choice(["morning", "noon", "evening"])
    favourite = _FAVOURITES[changed][time]
    return Visitor(time, rng.choice(["sun", "rain"]), rng.random() < 0.3, favourite)
