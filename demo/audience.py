"""Visitors of a coffee shop: what they like depends on who they are and when, and changes.

The shop and its guests' taste are those of the demo page, in the file that the page reads.
"""

import json
import random
from dataclasses import dataclass
from typing import Any

from dashboard_function.static_files import FOLDER

SHOP: dict[str, Any] = json.loads((FOLDER / "demo.json").read_text())
DRINKS: dict[str, dict[str, object]] = SHOP["drinks"]
LIKED: float = SHOP["liked"]
OTHERWISE: float = SHOP["otherwise"]
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
    favourites = SHOP["favourites"][changed]
    time = rng.choice(list(favourites))
    weather = rng.choice(SHOP["weathers"])
    return Visitor(time, weather, rng.random() < SHOP["members"], favourites[time])
