"""Findings about decisions: nothing to choose from, exploration that is off, no preference."""

from collections.abc import Iterator

from shared.events.learning_mode import LearningMode
from shared.services.findings.checkup import ENOUGH, FEW, Checkup, Finding, Severity, share

READY = 0.75
"""Share of matches from which an apprentice is ready, as in the retired service's documents."""

TOO_LITTLE = 0.01
TOO_MUCH = 0.4
SAME_SHARE = 0.5


def one_action(seen: Checkup) -> Iterator[Finding]:
    """There is nothing to choose from, or only one action is ever shown."""
    row = seen.row
    if row.active < FEW:
        return
    if row.offered == row.active:
        yield Finding(
            Severity.ERROR,
            "oneAction",
            "There is nothing to choose from",
            f"All {row.active:,} decisions of the last day were over one action.",
            "Rank is called with a single action, or all others are excluded.",
            "Offer at least two actions in every Rank call.",
        )
        return
    name, most = row.actions.by_count()[0]
    if most.count >= 0.999 * row.decisions and row.action_ids.count > 1:
        yield Finding(
            Severity.WARNING,
            "oneAction",
            "Only one action is ever shown",
            f"{name[:40]!r} was shown in {most.count:,} of {row.decisions:,} decisions of the last "
            f"day, out of {row.action_ids.count:,} different actions.",
            "Nothing else is tried: exploration is off, or the loop does not decide by itself.",
            "Set explorationPercentage to 0.05 or more, and learningMode to Online.",
        )


def exploration_too_low(seen: Checkup) -> Iterator[Finding]:
    """Hardly anything new is tried."""
    tried, of = seen.row.tried, seen.preferring
    if _is_online(seen) and of >= ENOUGH and tried < TOO_LITTLE * of:
        yield Finding(
            Severity.WARNING,
            "explorationTooLow",
            "Too little is explored",
            f"{tried:,} of {of:,} decisions of a model ({share(tried, of)}) tried another than "
            f"the best action; explorationPercentage is {seen.settings.exploration:g}.",
            "With so little exploration the loop does not notice when taste changes, and its "
            "estimates mean little.",
            "Set explorationPercentage to between 0.05 and 0.2.",
        )


def exploration_too_high(seen: Checkup) -> Iterator[Finding]:
    """A loop that knows better goes on trying."""
    tried, of = seen.row.tried, seen.preferring
    online, best = seen.row.online.mean, seen.row.best.mean
    if not (_is_online(seen) and of >= 2 * ENOUGH) or online is None or best is None:
        return
    if tried > TOO_MUCH * of:
        yield Finding(
            Severity.WARNING,
            "explorationTooHigh",
            "Much is spent on exploring",
            f"{share(tried, of)} of the last day's decisions of a model tried another than the "
            f"best action. The mean reward was {online:.3f}; the best actions alone would have "
            f"earned about {best:.3f}.",
            f"explorationPercentage is {seen.settings.exploration:g}, more than a loop needs that "
            "has learned from so many events.",
            "Set explorationPercentage to between 0.05 and 0.2.",
        )


def probabilities_equal(seen: Checkup) -> Iterator[Finding]:
    """A model has no preference although there was enough to learn from."""
    row, rate = seen.row, seen.learning.learning_rate
    published = seen.state.published
    learned = published.learned if published else 0
    if seen.modelled >= FEW and learned >= ENOUGH and row.equal > SAME_SHARE * seen.modelled:
        yield Finding(
            Severity.ERROR,
            "probabilitiesEqual",
            "All actions are equally likely",
            f"The model has learned {learned:,} events, and in {row.equal:,} of {seen.modelled:,} "
            f"decisions ({share(row.equal, seen.modelled)}) all actions had the same probability.",
            f"Scores differ by less than can be told apart. The learning rate is {rate:g}"
            + (", which is very small." if rate < 0.01 else "; perhaps rewards do not differ."),
            "Put a policy with a larger learning rate, such as "
            "--cb_explore_adf --epsilon 0.2 --cb_type mtr -q ::"
            if rate < 0.01
            else "See whether rewards differ, and whether features tell actions apart.",
        )


def apprentice_ready(seen: Checkup) -> Iterator[Finding]:
    """The apprentice imitates well enough to be let loose."""
    row = seen.row
    if (
        seen.settings.learning_mode is LearningMode.APPRENTICE
        and row.imitated >= ENOUGH
        and row.imitations_matched >= READY * row.imitated
    ):
        yield Finding(
            Severity.INFO,
            "apprenticeReady",
            "The apprentice is ready",
            f"In {row.imitations_matched:,} of {row.imitated:,} decisions of the last day "
            f"({share(row.imitations_matched, row.imitated)}) the model chose the baseline action.",
            "It has learned what your application does without it.",
            "Set learningMode to Online, so that it can do better. It never matches always, "
            "because it explores.",
        )


def shard_imbalance(seen: Checkup) -> Iterator[Finding]:
    """Events crowd in one part of the storage."""
    row, shards = seen.row, seen.state.shards
    if not row.shards or row.events < 100 * shards:
        return
    fullest = max(row.shards.values())
    if shards > 1 and fullest > 1.5 * row.events / shards:
        yield Finding(
            Severity.WARNING,
            "shardImbalance",
            "Events are spread unevenly",
            f"Of {row.events:,} events of the last day, {fullest:,} are in one of {shards} parts; "
            f"{row.events // shards:,} would be even.",
            "Event ids are not as different as they should be.",
            "Use random event ids, or leave them out of the Rank call.",
        )


def estimates_unreliable(seen: Checkup) -> Iterator[Finding]:
    """The estimate of the baseline rests on few decisions."""
    row, size = seen.row, seen.row.baseline.effective_sample_size
    if _is_online(seen) and row.decisions >= ENOUGH and size < max(50, 0.01 * row.decisions):
        yield Finding(
            Severity.INFO,
            "estimatesUnreliable",
            "The estimate of the baseline is unreliable",
            f"It rests on an effective sample of {size:.0f} out of {row.decisions:,} decisions of "
            "the last day.",
            "The first action is seldom shown, so each time counts for many.",
            "Look at a longer range, or explore more. The order of actions should be the one that "
            "your application would take.",
        )


def _is_online(seen: Checkup) -> bool:
    return seen.settings.learning_mode is LearningMode.ONLINE


CHECKS = (
    one_action,
    exploration_too_low,
    exploration_too_high,
    probabilities_equal,
    apprentice_ready,
    shard_imbalance,
    estimates_unreliable,
)
