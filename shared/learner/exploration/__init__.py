"""From scores to the probability of each action.

Scores are Vowpal Wabbit's: predicted **costs**, so the lowest is the best. Every rule is given the
scores of its members (most have one) and answers with one probability per action, in the order of
the scores, each at least ``epsilon / actions``: importance weights stay bounded, and what is best
today can be found out to be worse tomorrow.
"""

from shared.learner.exploration.bag import Bag
from shared.learner.exploration.cost_range import CostRange
from shared.learner.exploration.cover import Cover
from shared.learner.exploration.epsilon_greedy import EpsilonGreedy
from shared.learner.exploration.explore_first import ExploreFirst
from shared.learner.exploration.regcb import RegCB
from shared.learner.exploration.rnd import RandomNetworks
from shared.learner.exploration.rule import History, best_first, with_floor
from shared.learner.exploration.softmax import Softmax
from shared.learner.exploration.squarecb import SquareCB
from shared.learner.exploration.synthetic_cover import SyntheticCover

Exploration = (
    EpsilonGreedy
    | Softmax
    | SquareCB
    | RegCB
    | RandomNetworks
    | ExploreFirst
    | Bag
    | Cover
    | SyntheticCover
)

__all__ = [
    "Bag",
    "CostRange",
    "Cover",
    "EpsilonGreedy",
    "Exploration",
    "ExploreFirst",
    "History",
    "RandomNetworks",
    "RegCB",
    "Softmax",
    "SquareCB",
    "SyntheticCover",
    "best_first",
    "with_floor",
]
