"""The join, against worked examples and against a brute-force twin under random cuts of time."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.interaction import Interaction, SlotChoice, SlotsInteraction
from shared.events.join import EARLY_REWARD, Leftovers, join
from shared.events.observation import Observation, SlotReward
from shared.events.rewards import Aggregation, RewardSettings

START = datetime(2026, 1, 1, tzinfo=UTC)
ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
SOON = timedelta(seconds=20) + EARLY_REWARD
WAIT = RewardSettings(wait=timedelta(seconds=10), default=-0.5)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ranked(event_id="e", seconds=0.0, *, deferred=False) -> Interaction:
    return Interaction(
        event_id, at(seconds), b"{}", ("a", "b"), (0, 1), (0.9, 0.1), deferred=deferred
    )


def rewarded(value, seconds=1.0, event_id="e", name=None) -> Observation:
    return Observation(event_id, name or f"{event_id}{value}{seconds}", at(seconds), value)


def activated(seconds=1.0, event_id="e") -> Observation:
    return rewarded(None, seconds, event_id)


def ranked_slots(event_id="e", seconds=0.0, *, deferred=False) -> SlotsInteraction:
    choices = (SlotChoice("top", 0, (1, 0), (0.5, 0.5)), SlotChoice("side", 1, (0,), (1.0,)))
    return SlotsInteraction(event_id, at(seconds), b"{}", ("a", "b"), choices, deferred=deferred)


def rewarded_slots(*rewards, seconds=1.0, event_id="e") -> Observation:
    parts = tuple(SlotReward(slot, value) for slot, value in rewards)
    return Observation(event_id, f"{event_id}{rewards}{seconds}", at(seconds), None, parts)


def join_all(interactions, observations, settings=WAIT):
    return join(
        interactions, observations, settings, earlier=[], repeat_within=SOON, counted=ALWAYS
    )


@pytest.mark.parametrize(
    ("aggregation", "reward"),
    [("earliest", 0.5), ("average", -0.1), ("median", 0.0), ("sum", -0.3), ("min", -0.8),
     ("max", 0.5)],
)  # fmt: skip
def test_rewards_in_time_are_aggregated(aggregation, reward):
    observations = [rewarded(0.0, 5), rewarded(0.5, 1), rewarded(-0.8, 3)]
    settings = RewardSettings(WAIT.wait, Aggregation(aggregation))

    [example], counts = join_all([ranked()], observations, settings)

    assert example.reward == pytest.approx(reward)
    assert counts == Leftovers()


def test_the_largest_of_only_negative_rewards_is_negative():
    settings = RewardSettings(WAIT.wait, Aggregation.MAX)

    [example], _ = join_all([ranked()], [rewarded(-0.9), rewarded(-0.4)], settings)

    assert example.reward == -0.4


def test_an_event_without_reward_gets_the_default():
    [example], _ = join_all([ranked()], [])

    assert example.reward == -0.5
    assert example.is_active


@pytest.mark.parametrize(
    ("seconds", "late", "dangling"),
    [(9.999, 0, 0), (10.0, 1, 0), (-119.9, 0, 0), (-120.0, 0, 1)],
)
def test_the_wait_decides_which_reward_counts(seconds, late, dangling):
    [example], found = join_all([ranked()], [rewarded(1.0, seconds)])

    assert (len(found.late), len(found.dangling)) == (late, dangling)
    assert example.reward == (-0.5 if late or dangling else 1.0)


def test_a_late_reward_tells_how_long_it_took_since_the_last_rank_of_its_event():
    interactions = [ranked("e", 0), ranked("e", 20), ranked("f", 39)]

    _, found = join_all(interactions, [rewarded(1.0, 35)])

    assert [late.delay for late in found.late] == [timedelta(seconds=15)]


def test_a_deferred_event_counts_only_when_activated_in_time():
    interactions = [ranked(f"e{i}", deferred=True) for i in range(3)]
    observations = [
        rewarded(1.0, 1, "e0"),
        rewarded(1.0, 1, "e1"),
        activated(5, "e1"),
        activated(11, "e2"),
    ]

    examples, counts = join_all(interactions, observations)

    assert [example.is_active for example in examples] == [False, True, False]
    assert len(counts.late) == 1


def test_the_first_of_two_interactions_with_one_id_wins():
    interactions = [ranked("e", 0), ranked("e", 1), ranked("f", 2)]

    examples, counts = join_all(interactions, [rewarded(1.0, 3)])

    assert [(e.interaction.event_id, e.reward) for e in examples] == [("e", 1.0), ("f", -0.5)]
    assert len(counts.duplicates) == 1


def test_an_id_that_comes_again_much_later_is_another_event():
    interactions = [ranked("e", 0), ranked("e", 139), ranked("e", 278), ranked("e", 418)]

    examples, counts = join_all(interactions, [rewarded(1.0, 419)])

    assert [(e.interaction.time, e.reward) for e in examples] == [(at(0), -0.5), (at(418), 1.0)]
    assert len(counts.duplicates) == 2


def test_a_retried_write_of_one_observation_counts_once():
    twice = [rewarded(0.25, 1, name="same"), rewarded(0.25, 1, name="same")]
    settings = RewardSettings(WAIT.wait, Aggregation.SUM)

    [example], _ = join_all([ranked()], twice, settings)

    assert example.reward == 0.25


def test_an_observation_without_interaction_is_dangling():
    _, counts = join_all([ranked("e")], [rewarded(1.0, 1, "unknown")])

    assert len(counts.dangling) == 1


@pytest.mark.parametrize(
    ("aggregation", "rewards"),
    [("earliest", (0.5, 0.25)), ("average", (-0.1, 0.25)), ("median", (0.0, 0.25)),
     ("sum", (-0.3, 0.25)), ("min", (-0.8, 0.25)), ("max", (0.5, 0.25))],
)  # fmt: skip
def test_each_slots_rewards_are_aggregated_in_the_order_of_calls_and_within_them(
    aggregation, rewards
):
    observations = [
        rewarded_slots(("top", 0.0), seconds=5),
        rewarded_slots(("top", 0.5), ("side", 0.25), ("top", -0.8), seconds=1),
        rewarded_slots(("top", 1.0), ("side", 1.0), seconds=10),
    ]

    [joined], counts = join_all(
        [ranked_slots()], observations, RewardSettings(WAIT.wait, Aggregation(aggregation))
    )

    assert joined.rewards == pytest.approx(rewards)
    assert [each.delay for each in counts.late] == [timedelta(seconds=10)]
    assert counts.dangling == ()


def test_a_slot_without_reward_gets_the_default():
    [joined], _ = join_all([ranked_slots()], [rewarded_slots(("side", 1.0))])

    assert joined.rewards == (-0.5, 1.0)
    assert joined.is_rewarded


def test_one_activation_is_for_all_slots():
    rewards = [rewarded_slots(("top", 1.0), event_id=event_id) for event_id in "ef"]
    interactions = [ranked_slots(event_id, deferred=True) for event_id in "ef"]

    examples, _ = join_all(interactions, [*rewards, activated(2, "f")])

    assert [example.is_active for example in examples] == [False, True]
    assert examples[1].rewards == (1.0, -0.5)


def test_a_reward_of_an_unknown_slot_is_dangling_and_the_rest_of_its_call_counts():
    observations = [rewarded_slots(("foot", 1.0), ("side", 1.0)), rewarded_slots(("foot", 1.0))]

    [joined], counts = join_all([ranked_slots()], observations)

    assert joined.rewards == (-0.5, 1.0)
    assert [seen.slot_rewards for seen in joined.observations] == [(SlotReward("side", 1.0),)]
    assert [seen.slot_rewards for seen in counts.dangling] == [(SlotReward("foot", 1.0),)] * 2


def test_a_reward_of_the_other_kind_is_dangling():
    interactions = [ranked("e"), ranked_slots("f")]
    observations = [rewarded_slots(("top", 1.0), event_id="e"), rewarded(1.0, event_id="f")]

    (single, slots), counts = join_all(interactions, observations)

    assert (single.reward, slots.rewards) == (-0.5, (-0.5, -0.5))
    assert not single.is_rewarded
    assert not slots.is_rewarded
    assert list(counts.dangling) == observations


EVENT_IDS = st.sampled_from([f"id{i}" for i in range(12)])
INTERACTIONS = st.lists(
    st.builds(ranked, EVENT_IDS, st.integers(0, 600), deferred=st.booleans()), max_size=25
)
OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        EVENT_IDS,
        st.integers(0, 10**6).map(str),
        st.integers(-150, 650).map(at),
        st.one_of(st.none(), st.floats(-1, 1)),
    ),
    max_size=40,
    unique_by=lambda o: (o.event_id, o.id),
)
SLOT_REWARDS = st.lists(
    st.builds(
        Observation,
        EVENT_IDS,
        st.integers(10**6, 10**7).map(str),
        st.integers(-150, 650).map(at),
        st.none(),
        st.lists(
            st.builds(SlotReward, st.sampled_from(["top", "side", "foot"]), st.floats(-1, 1)),
            min_size=1,
            max_size=4,
        ).map(tuple),
    ),
    max_size=20,
    unique_by=lambda o: (o.event_id, o.id),
)
OVER_SLOTS = st.lists(
    st.builds(ranked_slots, EVENT_IDS, st.integers(0, 600), deferred=st.booleans()), max_size=10
)


@given(
    st.builds(list.__add__, INTERACTIONS, OVER_SLOTS),
    st.builds(list.__add__, OBSERVATIONS, SLOT_REWARDS),
    st.sampled_from(Aggregation),
    st.sets(st.integers(1, 600)),
)
def test_however_time_is_cut_the_examples_and_counts_are_the_same(
    interactions, observations, aggregation, cuts
):
    interactions.sort(key=lambda i: i.time)
    settings = RewardSettings(timedelta(seconds=10), aggregation)
    whole, total = join_all(interactions, observations, settings)

    edges = [-10_000, *sorted(cuts), 10_000]
    parts, late, dangling, duplicates = [], 0, 0, 0
    for low, high in itertools.pairwise(edges):
        step = [i for i in interactions if at(low) <= i.time < at(high)]
        before = [i for i in interactions if at(low) - SOON - EARLY_REWARD <= i.time < at(low)]
        examples, counts = join(
            step,
            observations,
            settings,
            earlier=[(i.event_id, i.time) for i in before],
            repeat_within=SOON,
            counted=(at(low) - EARLY_REWARD, at(high) - EARLY_REWARD),
        )
        parts += examples
        late += len(counts.late)
        dangling += len(counts.dangling)
        duplicates += len(counts.duplicates)

    assert parts == whole
    assert duplicates == len(total.duplicates)
    assert late + dangling == len(total.late) + len(total.dangling)


@given(INTERACTIONS, OBSERVATIONS)
def test_every_interaction_and_observation_is_accounted_for(interactions, observations):
    examples, counts = join_all(interactions, observations)

    assert len(examples) + len(counts.duplicates) == len(interactions)
    matched = sum(len(example.observations) for example in examples)
    # What was observed for a dropped duplicate alone is neither late nor dangling.
    assert matched + len(counts.late) + len(counts.dangling) <= len(observations)
    if not counts.duplicates:
        assert matched + len(counts.late) + len(counts.dangling) == len(observations)
