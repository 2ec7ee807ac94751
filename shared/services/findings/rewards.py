"""Findings about rewards: none, late, lost, all alike."""

from collections.abc import Iterator

from shared.events.sketches import Delays
from shared.services.findings.checkup import FEW, Checkup, Finding, Severity, share, span

MANY = 10
TOLERATED = 0.05
"""Share of rewards, or of events, that may go wrong without being mentioned."""


def no_rewards(seen: Checkup) -> Iterator[Finding]:
    """No Reward call came at all."""
    row = seen.row
    if row.active >= FEW and not (row.rewarded or row.late or row.dangling):
        yield Finding(
            Severity.ERROR,
            "noRewards",
            "No rewards arrive",
            f"None of {row.active:,} events of the last day got a reward.",
            "The application does not call Reward, or calls another endpoint or another loop.",
            "Call Reward with the event id of the Rank answer, and look at the call's status.",
        )


def rewards_late(seen: Checkup) -> Iterator[Finding]:
    """Rewards come after the wait."""
    row, found = seen.row, seen.dangling
    delays, extra = Delays(), round(row.dangling * (1 - found.unknown_share))
    delays.merge(row.late_delays)
    for number in range(extra):
        delays.add(found.delays[number % len(found.delays)])
    late, everything = row.late + extra, row.late + extra + row.rewarded
    if late < MANY or late < TOLERATED * everything:
        return
    wait = seen.settings.rewards.wait.total_seconds()
    enough = delays.percentile(0.95) or wait
    yield Finding(
        Severity.ERROR if late > everything / 2 else Severity.WARNING,
        "rewardsLate",
        "Rewards come after the wait",
        f"{late:,} of {everything:,} rewards of the last day ({share(late, everything)}) came "
        f"after the reward wait time of {span(wait)}. {span(enough).capitalize()} would have "
        "caught 95 % of the late ones.",
        "The reward wait time is shorter than it takes users to react, or Reward calls are queued.",
        f"Set rewardWaitTime to {span(enough)} or more; learning is delayed by as much.",
    )


def almost_all_defaulted(seen: Checkup) -> Iterator[Finding]:
    """Few events get a reward."""
    row = seen.row
    defaulted = row.active - row.rewarded
    if row.rewarded and row.active >= 2 * FEW and defaulted >= 0.95 * row.active:
        yield Finding(
            Severity.WARNING,
            "almostAllDefaulted",
            "Almost all events get the default reward",
            f"{defaulted:,} of {row.active:,} events of the last day "
            f"({share(defaulted, row.active)}) had no reward in time and count as "
            f"{seen.settings.rewards.default:g}.",
            "Rewards are sent for rare successes only, or most of them are lost.",
            "If only successes are reported, this is in order as long as the default reward is "
            "that of no success. Otherwise find out which Reward calls are missing.",
        )


def wrong_event_ids(seen: Checkup) -> Iterator[Finding]:
    """Rewards name events that nobody has ranked."""
    row, found = seen.row, seen.dangling
    unknown = round(row.dangling * found.unknown_share)
    everything = row.rewarded + row.late + row.dangling
    if unknown < MANY or unknown < TOLERATED * everything:
        return
    example = f", such as {found.unknown[0][:40]!r}" if found.unknown else ""
    yield Finding(
        Severity.ERROR if unknown > everything / 2 else Severity.WARNING,
        "wrongEventIds",
        "Rewards name events that were not ranked",
        f"{unknown:,} of {everything:,} rewards of the last day ({share(unknown, everything)}) "
        f"name event ids that were not ranked in the two days before{example}.",
        "Reward is called with another id than the Rank answer's eventId, before Rank, or for "
        "decisions of another loop.",
        "Keep the eventId of the Rank answer and call Reward with exactly that text, "
        "percent-encoded in the path.",
    )


def repeated_event_ids(seen: Checkup) -> Iterator[Finding]:
    """Decisions share event ids."""
    row = seen.row
    everything = row.events + row.duplicates
    if row.duplicates >= MANY and row.duplicates >= TOLERATED * everything:
        yield Finding(
            Severity.WARNING,
            "repeatedEventIds",
            "Event ids are used again",
            f"{row.duplicates:,} of {everything:,} Rank calls of the last day "
            f"({share(row.duplicates, everything)}) repeat an event id; only the first one counts.",
            "The event id is a user or session id, or Rank is called again for every page view.",
            "Use a new event id for every decision, or leave it out and take the answer's.",
        )


def reward_out_of_range(seen: Checkup) -> Iterator[Finding]:
    """Aggregated rewards leave the range of a single one."""
    row = seen.row
    if row.highest is not None and row.lowest is not None and max(row.highest, -row.lowest) > 1:
        yield Finding(
            Severity.WARNING,
            "rewardOutOfRange",
            "Rewards are out of range",
            f"Rewards of the last day reach from {row.lowest:g} to {row.highest:g}; a single one "
            "is between -1 and 1.",
            "Several rewards for one event are added up (rewardAggregation sum).",
            "Send smaller rewards, or choose another rewardAggregation such as earliest or max.",
        )


def reward_constant(seen: Checkup) -> Iterator[Finding]:
    """Every event has the same reward."""
    row = seen.row
    if row.lowest is None or row.lowest != row.highest:
        return
    if row.rewarded and row.active >= 2 * FEW:
        yield Finding(
            Severity.ERROR,
            "rewardConstant",
            "All rewards are the same",
            f"All {row.active:,} events of the last day have the reward {row.lowest:g}.",
            "The application sends a fixed value, or one that equals the default reward.",
            "Send a value that is higher the better a decision turned out.",
        )


CHECKS = (
    no_rewards,
    rewards_late,
    almost_all_defaulted,
    wrong_event_ids,
    repeated_event_ids,
    reward_out_of_range,
    reward_constant,
)
