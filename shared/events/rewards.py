"""From the rewards that were observed for a decision to the one number it is learned with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from statistics import fmean, median


class Aggregation(StrEnum):
    """How several rewards for one event become one."""

    EARLIEST = "earliest"
    AVERAGE = "average"
    MEDIAN = "median"
    SUM = "sum"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """How an event waits for its rewards and what they amount to.

    Attributes:
        wait: How long after the Rank call a reward still counts.
        aggregation: How several rewards become one.
        default: The reward of an event for which none arrived in time.
    """

    wait: timedelta = timedelta(minutes=10)
    aggregation: Aggregation = Aggregation.EARLIEST
    default: float = 0.0


_AGGREGATE: dict[Aggregation, Callable[[Sequence[float]], float]] = {
    Aggregation.EARLIEST: lambda values: values[0],
    Aggregation.AVERAGE: fmean,
    Aggregation.MEDIAN: median,
    Aggregation.SUM: sum,
    Aggregation.MIN: min,
    Aggregation.MAX: max,
}


def aggregate(values: Sequence[float], settings: RewardSettings) -> float:
    """Return the reward of an event.

    A sum is not clamped to the range of a single reward, as in the original service.

    Args:
        values: The rewards observed within the wait time, earliest first.
        settings: Names the aggregation, and the value when there is no reward.
    """
    return float(_AGGREGATE[settings.aggregation](values)) if values else settings.default
