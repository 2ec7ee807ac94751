"""Compares the ledger of what was acknowledged with what the system has made of it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from shared import wiring
from shared.events.joined_log import LogLine
from shared.services.log_store import LogStore
from shared.services.loop_state import DEFAULT_LOOP, LoopState
from shared.settings import Settings
from tests.faults.ledger import Entry
from tests.faults.scene import CLOCKS_OFF_BY
from tests.faults.undisturbed import found, undisturbed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison has found. All of ``broken`` must be 0, or a promise is broken.

    Attributes:
        ranked: Acknowledged ranks.
        rewarded: Acknowledged rewards.
        learned: Events in the joined log, unacknowledged ones too.
        lost: Acknowledged ranks that were not learned, and whose bucket was.
        behind: Acknowledged ranks that training has not come to in the time that it was given.
        doubled: Events that were learned more than once.
        rewards_lost: Acknowledged rewards, in time, that their event was learned without.
        rewards_wrong: Events that were learned with another reward than the acknowledged one.
        activations_lost: Acknowledged activations whose event was not learned.
        decisions_wrong: Events learned with another action or probability than acknowledged.
        decided_anew: The same, where the caller had to ask again in a later bucket: the first
            stored decision counts.
        too_late: Acknowledged rewards that may have come after the wait.
        late_events: Rows that appeared in a bucket after it was read, by the system's own count.
        went_back: How often the cursor or the epoch was seen to go back.
        model_differs: Whether the model's bytes are other than those of an undisturbed training.
        counters_differ: Whether the counters are, or the number of logged events.
        metrics_differ: Whether the stored metrics are.
    """

    ranked: int
    rewarded: int
    learned: int
    lost: int
    behind: int
    doubled: int
    rewards_lost: int
    rewards_wrong: int
    activations_lost: int
    decisions_wrong: int
    decided_anew: int
    too_late: int
    late_events: int
    went_back: int
    model_differs: int
    counters_differ: int
    metrics_differ: int

    @property
    def broken(self) -> dict[str, int]:
        """What should be 0 and is not."""
        harmless = ("ranked", "rewarded", "learned", "decided_anew", "too_late")
        return {name: n for name, n in asdict(self).items() if n and name not in harmless}


async def reconcile(
    environ: Mapping[str, str],
    entries: Sequence[Entry],
    *,
    loop: str = DEFAULT_LOOP,
    went_back: int = 0,
) -> Verdict:
    """Compare everything, once training has caught up."""
    settings = Settings.from_environ(environ)
    async with wiring.azure_stores(settings) as stores:
        app = wiring.build(settings, stores, loop)
        wanted, _ = await app.loops.settings(loop)
        ours = await found(settings, stores, loop)
        expected = await undisturbed(settings, stores, loop, ours.state.cursor)
        lines = await logged(LogStore(loop, stores.blobs), ours.state)
    times = Counter(line.EventId for line in lines)
    once = {line.EventId: line for line in lines}
    calls: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        calls[entry.call][entry.event] = entry
    ranks, rewards = calls["rank"], calls["reward"]
    wrong = [e for e in ranks.values() if e.event in once and not _same(e, once[e.event])]
    checked = _rewards(ranks, rewards, once, wanted.rewards.wait)
    return Verdict(
        ranked=len(ranks),
        rewarded=len(rewards),
        learned=len(times),
        lost=sum(e.event not in once and _is_closed(e, ours.state) for e in ranks.values()),
        behind=sum(e.event not in once and not _is_closed(e, ours.state) for e in ranks.values()),
        doubled=sum(times.values()) - len(times),
        rewards_lost=checked["lost"],
        rewards_wrong=checked["wrong"],
        activations_lost=sum(
            event in once
            and once[event].skip_learn
            and not _may_be_late(ranks[event], e, wanted.rewards.wait)
            for event, e in calls["activate"].items()
        ),
        decisions_wrong=sum(entry.tries == 1 for entry in wrong),
        decided_anew=sum(entry.tries > 1 for entry in wrong),
        too_late=checked["too late"],
        late_events=ours.counters.late_events,
        went_back=went_back,
        model_differs=int(ours.model != expected.model),
        counters_differ=int(
            ours.counters != expected.counters or ours.counters.events != len(lines)
        ),
        metrics_differ=int(ours.metrics != expected.metrics),
    )


async def logged(store: LogStore, state: LoopState) -> list[LogLine]:
    """Return the committed lines of the joined log, each bucket from the first blob that has it."""
    lines: list[LogLine] = []
    position = 0
    async for part in store.ranges(state.epoch, state.cursor - 86_400, state.cursor):
        for line in await store.lines(part):
            if position <= line.Bucket < state.cursor:
                lines.append(line)
        position = max(position, part.end)
    return lines


def _is_closed(rank: Entry, state: LoopState) -> bool:
    """Whether a rank's bucket, by any of the clocks, was learned."""
    return rank.answered + CLOCKS_OFF_BY < state.cursor


def _same(entry: Entry, line: LogLine) -> bool:
    action = "abc"[line.label_action - 1]
    return action == entry.action and abs(line.label_probability - entry.probability) < 1e-6


def _may_be_late(rank: Entry, call: Entry, wait: timedelta) -> bool:
    longest = call.answered - rank.asked + 2 * CLOCKS_OFF_BY
    return longest >= wait.total_seconds()


def _rewards(
    ranks: Mapping[str, Entry],
    rewards: Mapping[str, Entry],
    lines: Mapping[str, LogLine],
    wait: timedelta,
) -> Counter[str]:
    found: Counter[str] = Counter()
    for event, reward in rewards.items():
        line = lines.get(event)
        if line is None:
            continue  # its rank is lost
        if any(o.v == reward.value for o in line.o):
            found["wrong"] += line.original_label_cost != -(reward.value or 0.0)
        elif _may_be_late(ranks[event], reward, wait):
            found["too late"] += 1
        else:
            found["lost"] += 1
    return found
