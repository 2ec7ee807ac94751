"""Metrics equal what a brute force finds in the joined log, whatever died on the way."""

import gzip
import json
import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from shared.events.interaction import Interaction
from shared.events.join import EARLY_REWARD, JoinedExample, within_wait
from shared.events.joined_log import decode_lines
from shared.events.learning_mode import LearningMode
from shared.events.rewards import Aggregation, RewardSettings
from shared.services.metrics import MOST_ROWS, range_of
from shared.services.metrics_row import Row, Tally, merged
from shared.services.metrics_store import DAY, HOUR, MetricsStore, levels
from shared.services.ports import EventSpace
from shared.services.rank_request import Action, RankRequest
from shared.services.train import Training, TrainService
from shared.storage.event_codec import row_interaction, row_observation
from shared.storage.memory import InMemoryBlobStore
from tests.services.test_training import LOOP, START, WRITING, Died, World

FINEST = 15
WAIT = timedelta(seconds=10)
SPACE = EventSpace(LOOP, 0, 4, 5)


def trainer(world, events_per_step=5_000):
    return TrainService(
        LOOP,
        world.loops,
        world.blobs,
        world.events,
        world.clock,
        WRITING,
        Training(events_per_step=events_per_step),
        MetricsStore(world.blobs, FINEST),
    )


async def busy_world(seed, mode=LearningMode.ONLINE, seconds=100):
    """Return a loop with rewards early, late and dangling, repeated ids and deferred decisions."""
    rng = random.Random(seed)
    world = World()
    await world.set(
        rewards=RewardSettings(WAIT, Aggregation.SUM, -0.25),
        arguments="--cb_explore_adf --epsilon 0.3 -q :: -b 10",
        model_export_frequency=timedelta(seconds=20),
        learning_mode=mode,
    )
    due = []
    for second in range(seconds):
        event_id = f"{seed}-{second if rng.random() < 0.9 else second // 2}"
        offered = tuple(
            Action(name, json.dumps([{"kind": name, "size": rng.randrange(3)}]).encode())
            for name in rng.sample("abcde", rng.randint(1, 4))
        )
        context = b'[{"os":"%b","member":%b}]' % (
            rng.choice([b"linux", b"mac"]),
            rng.choice([b"true", b"false"]),
        )
        context = context if rng.random() < 0.9 else b"[]"
        await world.rank.rank(
            RankRequest(event_id, context, offered, defer_activation=rng.random() < 0.2)
        )
        for _ in range(rng.choice([0, 1, 1, 2])):
            about = event_id if rng.random() < 0.95 else f"unknown {second}"
            due.append((second + rng.choice([0, 1, 3, 9, 12, 25]), about, rng.uniform(-1, 1)))
        if rng.random() < 0.7:
            due.append((second + 2, event_id, None))
        world.now += timedelta(seconds=1)
        for _, about, value in [each for each in due if each[0] <= second]:
            await (world.reward.reward(about, value) if value else world.reward.activate(about))
        due = [each for each in due if each[0] > second]
    await world.reader.close()
    return world


def lines_of(world):
    """Return the lines of the joined log, each bucket's once, by bucket and event."""
    found = {}
    for name, blob in sorted(world.blobs.blobs.items()):
        if "/log/" in name:
            for line in decode_lines(gzip.decompress(blob.data)):
                found.setdefault((line.Bucket, line.EventId), line)
    return list(found.values())


def brute_force(lines):
    """Return what a slot's row must say, from its lines of the log alone."""
    active = [line for line in lines if not line.skip_learn]
    online = [line for line in active if line.Mode is LearningMode.ONLINE]
    expected = {
        "events": len(lines),
        "inactive": len(lines) - len(active),
        "rewarded": sum(any(o.v is not None for o in line.o) for line in active),
        "matched": sum(line.label_index == 0 for line in active),
        "without_model": sum(line.VWState.m == "N/A" for line in active),
        "offered": sum(len(line.p) for line in active),
        "imitated": sum(line.Mode is LearningMode.APPRENTICE for line in active),
        "explored": sum(
            len(line.p) > 1
            and (
                line.label_probability < max(line.p) - 1e-6
                or max(line.p) - min(line.p) <= 0.01 / len(line.p)
            )
            for line in online
        ),
        "tried": sum(
            line.VWState.m != "N/A"
            and line.label_probability < max(line.p) - 1e-6
            and max(line.p) - min(line.p) > 0.01 / len(line.p)
            for line in online
        ),
        "entropy": sum(-p * math.log2(p) for line in online for p in line.p),
    }
    rewards = [-line.original_label_cost for line in active]
    shown = [line.label_index if line.Mode is LearningMode.ONLINE else 0 for line in active]
    weights = {
        "online": [1.0] * len(active),
        "baseline": [
            (line.label_index == 0) / line.label_probability if line in online else 1.0
            for line in active
        ],
        "uniform": [
            1 / (len(line.p) * line.label_probability) * (line in online) for line in active
        ],
    }
    for name, weight in weights.items():
        weighted = [w * r for w, r in zip(weight, rewards, strict=True)]
        expected[f"{name}.rewards"] = sum(weighted)
        expected[f"{name}.squared_rewards"] = sum(each * each for each in weighted)
        expected[f"{name}.weights"] = sum(weight)
        expected[f"{name}.squared_weights"] = sum(w * w for w in weight)
        expected[f"{name}.matched"] = sum(w > 0 for w in weight)
    shows, earned, values = Counter(), Counter(), set()
    ids, names, without = set(), Counter(), 0
    for line, action, reward in zip(active, shown, rewards, strict=True):
        decision = json.loads(bytes(line.c))
        tags = [action["_tag"] for action in decision["_multi"]]
        ids |= set(tags)
        shows[tags[action]] += 1
        earned[tags[action]] += reward
        features = [item for each in decision["FromUrl"] for item in each.items()]
        names.update(f"FromUrl.{name}" for name, _ in features)
        values |= {f"{name}={value}" for name, value in features}
        without += not features
    expected |= {
        "actions": dict(shows),
        "earned": dict(earned),
        "ids": len(ids),
        "names": dict(names),
        "values": len(values),
        "without": without,
        "models": dict(Counter(line.VWState.m.replace("N/A", "") for line in active)),
    }
    return expected


def said(row):
    """Return the same of a row."""
    found = {
        name: getattr(row, name)
        for name in ("events", "inactive", "rewarded", "matched", "without_model", "offered",
                     "explored", "entropy", "imitated", "tried")
    }  # fmt: skip
    for name in ("online", "baseline", "uniform"):
        estimate = getattr(row, name)
        for part in ("rewards", "squared_rewards", "weights", "squared_weights", "matched"):
            found[f"{name}.{part}"] = getattr(estimate, part)
    return found | {
        "actions": {name: share.count for name, share in row.actions.names.items()},
        "earned": {name: share.total for name, share in row.actions.names.items()},
        "ids": row.action_ids.count,
        "names": {name: share.count for name, share in row.context.names.names.items()},
        "values": row.context.values.count,
        "without": row.context.without,
        "models": {name: share.count for name, share in row.models.names.items()},
    }


def unmatched_rewards(world, cursor):
    """Return the stored rewards that came in time for no Rank, as far as they have been read."""
    ranked = {}
    for table in world.events.interaction_rows.values():
        for interaction in map(row_interaction, table.values()):
            ranked.setdefault(interaction.event_id, []).append(interaction.time)
    observed = [row_observation(row) for table in world.events.observation_rows.values()
                for row in table.values()]  # fmt: skip
    return [
        o
        for o in observed
        if o.reward is not None
        and not any(within_wait(o.time, time, WAIT) for time in ranked.get(o.event_id, []))
        and (o.time + EARLY_REWARD).timestamp() < cursor
    ]


@given(
    seed=st.integers(0, 10**6),
    pauses=st.lists(st.integers(1, 60), max_size=5),
    deaths=st.lists(st.integers(0, 40), max_size=6),
    per_step=st.sampled_from([5, 30, 5000]),
    cut=st.tuples(st.integers(-10, 30), st.integers(1, 30)),
    mode=st.sampled_from(LearningMode),
)
@budget(max_examples=20)
async def test_metrics_are_what_the_joined_log_says(seed, pauses, deaths, per_step, cut, mode):
    world = await busy_world(seed, mode)
    end, world.now = world.now + timedelta(seconds=300), START
    moments = [START + timedelta(seconds=sum(pauses[:i])) for i in range(len(pauses))]
    for moment in [*moments, *[end] * (len(deaths) + 1)]:
        world.now = moment
        world.blobs.dies_at = deaths.pop() if deaths else None
        try:
            while (await trainer(world, per_step).train()).outcome != "idle":
                pass
        except Died:
            world.blobs.leased.clear()
        world.blobs.dies_at = None
    while (await trainer(world, per_step).train()).outcome != "idle":
        pass

    state, lines = await world.state(), lines_of(world)
    assert len(lines) == state.counters.events > 60
    for level in levels(FINEST):
        start = int(START.timestamp()) // level.width * level.width + cut[0] * level.width
        stop = start + cut[1] * level.width
        rows = await MetricsStore(world.blobs, FINEST).rows(SPACE, level, start, stop)
        logged = {}
        for line in lines:
            slot = line.Bucket - line.Bucket % level.width
            if start <= slot < stop:
                logged.setdefault(slot, []).append(line)
        assert {slot for slot, row in rows if row.events} == logged.keys()
        for slot, row in rows:
            if row.events:
                assert said(row) == _close(brute_force(logged[slot]))
        total = merged(row for _, row in rows)
        assert said(total) == _close(brute_force([x for each in logged.values() for x in each]))
    midnight = int(START.timestamp()) // DAY * DAY
    days = await MetricsStore(world.blobs, FINEST).rows(
        SPACE, levels(FINEST)[-1], midnight, midnight + 2 * DAY
    )
    whole = merged(row for _, row in days)
    assert whole.duplicates == state.counters.duplicates
    assert whole.late + whole.dangling == len(unmatched_rewards(world, state.cursor))
    assert whole.late_events == 0


def _close(expected):
    return {
        name: pytest.approx(value) if isinstance(value, float | dict) else value
        for name, value in expected.items()
    }


class CountingBlobs(InMemoryBlobStore):
    """Counts calls."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    async def load(self, name):
        self.calls += 1
        return await super().load(name)


async def filled(finest=300, days=40, blobs=None):
    """Return a store with an event every half an hour."""
    store = MetricsStore(blobs or CountingBlobs(), finest)
    first = int(START.timestamp()) // DAY * DAY
    for day in range(first, first + days * DAY, DAY):
        buckets = {day + half * 1800: Row(events=1) for half in range(48)}
        await store.add(SPACE, buckets, day + DAY)
    return store, first


@pytest.mark.parametrize(
    ("days", "width", "rows", "calls"),
    [
        (30, None, 30, 2),
        (30, HOUR, 720, 31),
        (31, HOUR, 744, 32),
        (2, 300, 96, 48),
        (1, None, 48, 24),
    ],
)
async def test_a_range_takes_few_calls_of_storage(days, width, rows, calls):
    store, first = await filled()
    start = datetime.fromtimestamp(first + DAY, UTC)
    wanted = range_of(
        store.levels, start, start + timedelta(days=days), width and timedelta(seconds=width)
    )
    store._blobs.calls = 0

    found = await store.rows(SPACE, wanted.level, wanted.start, wanted.end)

    assert len(found) == rows
    assert sum(row.events for _, row in found) == days * 48
    assert store._blobs.calls <= calls


@pytest.mark.parametrize("finest", [1, 5, 60, 300, 3600])
def test_no_range_touches_more_than_64_pages(finest):
    for level in levels(finest):
        touched = (MOST_ROWS * level.width - 1) // level.page + 2
        assert touched <= 64


@pytest.mark.parametrize(
    ("seconds", "width", "reason"),
    [(3600, 7, "no rows"), (3 * DAY, 300, "more than"), (40 * DAY, HOUR, "more than")],
)
def test_a_range_that_cannot_be_read_is_refused(seconds, width, reason):
    with pytest.raises(ValueError, match=reason):
        range_of(levels(), START, START + timedelta(seconds=seconds), timedelta(seconds=width))


def test_a_range_is_widened_to_whole_slots():
    start = datetime(2026, 3, 1, 10, 7, tzinfo=UTC)

    wanted = range_of(levels(), start, start + timedelta(minutes=1), timedelta(hours=1))

    assert datetime.fromtimestamp(wanted.start, UTC) == start.replace(minute=0)
    assert datetime.fromtimestamp(wanted.end, UTC) == start.replace(minute=0, hour=11)


async def test_rows_are_kept_as_long_as_the_log():
    store, first = await filled(days=40, blobs=InMemoryBlobStore())
    oldest = datetime.fromtimestamp(first + 35 * DAY, UTC)

    await store.drop_before(LOOP, oldest)

    by_level = {
        level.width: await store.rows(SPACE, level, first + 34 * DAY, first + 36 * DAY)
        for level in levels()
    }
    assert min(slot for slot, _ in by_level[300]) == first + 35 * DAY
    assert min(slot for slot, _ in by_level[HOUR]) == first + 35 * DAY
    assert min(slot for slot, _ in by_level[DAY]) == first + 34 * DAY  # its page is not over


async def test_rows_that_appear_late_are_counted_even_if_nothing_else_happens():
    world = await busy_world(1, seconds=20)
    world.now += timedelta(minutes=10)
    await trainer(world).train()
    read = (await world.state()).last_read
    await world.events.prepare(SPACE, world.now)
    too_late = closed_event(1, 1).interaction
    await world.events.add_interaction(SPACE, read.end - SPACE.bucket_seconds, too_late)
    world.now += timedelta(minutes=10)
    await trainer(world).train()

    midnight = int(START.timestamp()) // DAY * DAY
    rows = await MetricsStore(world.blobs, FINEST).rows(
        SPACE, levels(FINEST)[-1], midnight, midnight + 2 * DAY
    )
    assert (await world.state()).counters.late_events == 1
    assert merged(row for _, row in rows).late_events == 1


async def test_the_trainer_drops_rows_with_the_log():
    world = await busy_world(1)
    await world.set(log_retention_days=2)
    world.now += timedelta(minutes=10)
    await trainer(world).train()
    assert any("/metrics/" in name for name in world.blobs.blobs)

    world.now += timedelta(days=3)
    await trainer(world).train()
    kept = {name.split("/")[3] for name in world.blobs.blobs if "/metrics/" in name}
    assert kept == {"86400"}
    world.now += timedelta(days=31)
    await trainer(world).train()

    assert not any("/metrics/" in name for name in world.blobs.blobs)


def closed_event(number, action, reward=1.0):
    name = f"an action with a long name, number {action}"
    context = json.dumps(
        {"FromUrl": [{f"feature {number}": "x" * 1000}], "_multi": [{"j": [{"id": action}]}] * 2}
    )
    interaction = Interaction(
        f"e{number}", START, context.encode(), (name, "other"), (0, 1), (0.5, 0.5)
    )
    return JoinedExample(interaction, (), reward)


async def test_ten_thousand_actions_do_not_grow_a_row_past_its_limits():
    store = MetricsStore(InMemoryBlobStore())
    bucket = int(START.timestamp()) // HOUR * HOUR
    truth = Counter()
    rng = random.Random(5)
    for step in range(40):
        tally = Tally()
        for number in range(500):
            action = int(10_000 * rng.random() ** 4)
            truth[f"an action with a long name, number {action}"] += 1
            tally.event(closed_event(500 * step + number, action), 4, LearningMode.ONLINE)
        await store.add(SPACE, {bucket + 5 * step: tally.row()}, bucket + 5 * step + 5)

    [(_, row)] = await store.rows(SPACE, levels()[1], bucket, bucket + HOUR)

    assert len(truth) > 3_000
    assert max(len(blob.data) for blob in store._blobs.blobs.values()) < 32_000
    assert row.actions.count == sum(truth.values()) == row.events
    assert len(row.actions.names) == 100
    for name in truth:
        listed = row.actions.names[name].count if name in row.actions.names else 0
        assert listed <= truth[name] <= listed + row.actions.missed
    assert row.actions.missed < 0.02 * row.events
    assert row.action_ids.count == pytest.approx(len(truth) + 1, rel=0.2)
