"""What the learner gets of a joined event: from the join, or from the log when it learns again."""

from collections.abc import Sequence

from shared.events.join import JoinedExample, JoinedSlots
from shared.events.joined_log import AnyLogLine, LogLine, reward_of, rewards_of
from shared.events.rewards import RewardSettings
from shared.learner.learner import Example, Outcome, SlotsExample


def example_of(joined: JoinedExample | JoinedSlots) -> Example | SlotsExample:
    """Return the example of a joined event."""
    if isinstance(joined, JoinedExample):
        event = joined.interaction
        return Example(event.context, event.chosen, -joined.learned_reward, event.propensity)
    choices = joined.interaction.choices
    outcomes = (
        _outcome(choice.ranking, choice.probabilities, reward)
        for choice, reward in zip(choices, joined.learned_rewards, strict=True)
    )
    return SlotsExample(joined.interaction.context, tuple(outcomes))


def example_of_line(line: AnyLogLine, settings: RewardSettings) -> Example | SlotsExample:
    """Return the example of a logged event, rewarded under the present settings."""
    if isinstance(line, LogLine):
        cost = -reward_of(line, settings)
        return Example(bytes(line.c), line.label_index, cost, line.label_probability)
    outcomes = (
        _outcome(outcome.a, outcome.p, reward)
        for outcome, reward in zip(line.outcomes, rewards_of(line, settings), strict=True)
    )
    return SlotsExample(bytes(line.c), tuple(outcomes))


def _outcome(
    ranking: Sequence[int], probabilities: Sequence[float], reward: float
) -> Outcome | None:
    """Return what is known of a slot, whose drawn action comes first; None if it got none."""
    return Outcome(ranking[0], -reward, probabilities[0]) if ranking else None
