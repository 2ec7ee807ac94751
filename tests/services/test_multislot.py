"""Loops with slots in memory: what is drawn, shown, logged and learned for each slot."""

import gzip
import json
import random
from dataclasses import replace
from datetime import timedelta
from io import BufferedReader, BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.multislot import render_slots_rank
from shared.events.decision_log import read
from shared.events.join import JoinedSlots
from shared.events.joined_log import SlotsLogLine
from shared.events.learning_mode import LearningMode
from shared.events.observation import SlotReward
from shared.events.rewards import Aggregation, RewardSettings
from shared.learner.arguments import parse
from shared.learner.checkpoint import dumps, loads
from shared.learner.learner import Learner
from shared.learner.log_examples import examples
from shared.services.loop_settings import LoopSettings
from shared.services.loop_state import LoopState
from shared.services.metrics_row import Tally
from shared.services.ports import Conflict, EventSpace
from shared.services.rank import decide_for_slots
from shared.services.rank_request import Action, RankRequest, Slot, SlotsRankRequest
from shared.services.serving import ServedLoop, WrongKindOfLoop
from tests.services.test_training import ACTIONS, LOOP, START, World

POLICY = "--ccb_explore_adf --epsilon 0.2 -q ::"
TOP = Slot("top", b'[{"size":"large"}]', "a")
SIDE = Slot("side", b'[{"size":"small"}]', "b", frozenset("a"))
FOOT = Slot("foot", b"[]", "c", frozenset("b"))
BASELINES = {"top": "a", "side": "b", "foot": "c"}
LIKED = {"top": "c", "side": "b"}
APPRENTICE, LOGGING = LearningMode.APPRENTICE, LearningMode.LOGGING_ONLY


def request(event_id="e", *slots, context=b"[]", deferred=False):
    return SlotsRankRequest(event_id, context, ACTIONS, slots or (TOP, SIDE, FOOT), deferred)


async def with_slots(**changes):
    world = World()
    await world.set(arguments=POLICY, **changes)
    return world


def chosen(decided):
    """Return the id of the drawn action by slot; None where none was left."""
    return {
        choice.id: None if choice.chosen is None else decided.actions[choice.chosen]
        for choice in decided.choices
    }


def shown(decided):
    answer = json.loads(render_slots_rank(decided))
    return {slot["id"]: slot.get("rewardActionId") for slot in answer["slots"]}


async def live(world, seconds, seed):
    """Let a visitor come every second, who likes another action in each slot."""
    rng = random.Random(seed)
    for second in range(seconds):
        event_id = f"{seed}-{second}"
        os = rng.choice([b"linux", b"mac"])
        slots = rng.choice([(TOP, SIDE), (TOP, SIDE, FOOT), (SIDE, TOP), (FOOT,)])
        decided = await world.rank.rank_slots(
            request(event_id, *slots, context=b'[{"os":"%b"}]' % os, deferred=rng.random() < 0.2)
        )
        world.now += timedelta(seconds=1)
        for _ in range(rng.choice([0, 1, 1, 2])):
            rewards = [
                SlotReward(slot, float(action == LIKED.get(slot)) - rng.random() / 9)
                for slot, action in chosen(decided).items()
                if rng.random() < 0.8
            ]
            await world.reward.reward_slots(event_id, rewards)
        if rng.random() < 0.5:
            await world.reward.activate(event_id, slots=True)


async def lived(seed=1, seconds=150, **changes):
    settings = {"rewards": RewardSettings(timedelta(seconds=10), Aggregation.SUM), **changes}
    world = await with_slots(**settings)
    await live(world, seconds, seed)
    world.now += timedelta(seconds=60)
    return world


async def trained(world, **training):
    while (await world.trainer(**training).train()).outcome != "idle":
        pass
    return await world.state()


# -- deciding -----------------------------------------------------------------------------------

NAMES = [f"action {number}" for number in range(6)]
REQUESTS = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.just([Action(name, b'[{"kind":"%b"}]' % name.encode()) for name in NAMES[:n]]),
        st.permutations(NAMES[:n]),
        st.lists(st.sets(st.sampled_from(NAMES[:n])), min_size=1, max_size=n),
    )
)


@pytest.fixture(scope="module")
def policies():
    """Nobody, and a policy that has seen one decision over slots."""
    learner = Learner(parse(POLICY))
    return [None, learner.policy()]


@given(REQUESTS, st.integers(0, 1), st.text(min_size=1, max_size=5))
def test_each_action_is_used_once_and_no_exclusion_is_broken(policies, drawn, which, event_id):
    actions, baselines, exclusions = drawn
    slots = tuple(
        Slot(f"slot {i}", b'[{"at":%d}]' % i, baseline, frozenset(excluded) - {baseline})
        for i, (baseline, excluded) in enumerate(zip(baselines, exclusions, strict=False))
    )
    asked = SlotsRankRequest(event_id, b"[]", tuple(actions), slots)
    served = ServedLoop(
        EventSpace(LOOP, 0, 4, 5),
        LoopSettings("name", START, POLICY),
        LoopState(0, 4, 5, 0),
        policies[which],
        "",
    )

    decided = decide_for_slots(asked, served, START)

    assert decided == decide_for_slots(asked, served, START)
    taken = set()
    for slot, choice in zip(slots, decided.choices, strict=True):
        left = {a for a in range(len(actions)) if actions[a].id not in slot.excluded} - taken
        assert set(choice.ranking) == left
        assert decided.actions[choice.baseline] == slot.baseline
        if left:
            assert sum(choice.probabilities) == pytest.approx(1)
            assert min(choice.probabilities) >= 0.2 / len(left) - 1e-6
            taken.add(choice.chosen)


async def test_every_slot_has_a_draw_of_its_own():
    world = await with_slots()
    pairs = {}
    for number in range(600):
        asked = request(f"event {number}", TOP, replace(SIDE, excluded=frozenset()))
        decided = await world.rank.rank_slots(asked)
        pair = tuple(chosen(decided).values())
        pairs[pair] = pairs.get(pair, 0) + 1

    assert len(pairs) == 6
    assert all(60 < count < 140 for count in pairs.values()), "each of six pairs, 100 times"


async def test_a_repeated_event_id_gets_the_stored_decision():
    world = await with_slots()
    first = await world.rank.rank_slots(request("same"))

    again = await world.rank.rank_slots(request("same", FOOT, TOP))

    assert again == first


async def test_an_event_id_of_the_other_kind_in_the_same_bucket_is_a_conflict():
    world = await with_slots()
    await world.rank.rank_slots(request("same"))
    await world.set(arguments="--cb_explore_adf")

    with pytest.raises(Conflict):
        await world.rank.rank(RankRequest("same", b"[]", ACTIONS))


async def test_a_slot_for_which_nothing_is_left_names_no_action():
    world = await with_slots()
    only_b = replace(SIDE, excluded=frozenset("ac"))
    answers = [
        shown(await world.rank.rank_slots(request(f"event {number}", TOP, only_b)))
        for number in range(40)
    ]

    assert {answer["side"] for answer in answers} == {"b", None}
    assert all((answer["side"] is None) == (answer["top"] == "b") for answer in answers)


# -- kinds of loops -----------------------------------------------------------------------------


async def test_calls_of_the_wrong_kind_are_refused():
    world = World()
    for call in (
        lambda: world.rank.rank_slots(request()),
        lambda: world.reward.reward_slots("e", [SlotReward("top", 1.0)]),
        lambda: world.reward.activate("e", slots=True),
    ):
        with pytest.raises(WrongKindOfLoop) as refused:
            await call()
        assert not refused.value.has_slots
    await world.set(arguments=POLICY)
    await world.rank.rank_slots(request())  # known at once, however seldom the loop is polled
    for call in (
        lambda: world.rank.rank(RankRequest("e", b"[]", ACTIONS)),
        lambda: world.reward.reward("e", 1.0),
        lambda: world.reward.activate("e"),
    ):
        with pytest.raises(WrongKindOfLoop) as refused:
            await call()
        assert refused.value.has_slots


@pytest.mark.parametrize(
    ("arguments", "slots"),
    [("--ccb_explore_adf --no_longer_known", True), ("--cb_explore_adf --no_longer_known", False)],
)
async def test_settings_that_are_no_longer_understood_do_not_stop_rank(arguments, slots):
    world = World()
    await world.set(arguments=arguments)

    if slots:
        assert (await world.rank.rank_slots(request())).choices[0].chosen is not None
    else:
        assert (await world.rank.rank(RankRequest("e", b"[]", ACTIONS))).chosen in (0, 1, 2)


async def test_a_model_of_the_other_kind_does_not_decide():
    world = World()
    await world.set(rewards=RewardSettings(timedelta(seconds=10)))
    await world.live(60, seed=1)
    world.now += timedelta(seconds=60)
    await world.trainer().train()
    await world.set(arguments=POLICY)
    await world.reader.refresh()
    assert (await world.reader.served()).policy is not None

    decided = await world.rank.rank_slots(request("e", TOP))

    assert decided.model_version == ""
    assert decided.choices[0].probabilities == (1 / 3, 1 / 3, 1 / 3)


async def test_events_of_the_other_kind_are_logged_and_learned_when_the_kind_comes_back():
    world = await lived(seconds=60)
    await world.set(arguments="--cb_explore_adf --epsilon 0.2 -q ::")
    await world.live(40, seed=2)
    world.now += timedelta(seconds=60)

    state = await trained(world)

    assert (state.counters.events, state.counters.other_kind) == (100, 60)
    assert loads(await world.model()).learned == 40 - sum(
        line.deferred and line.skip_learn for line in world.lines()
        if not isinstance(line, SlotsLogLine)
    )  # fmt: skip
    assert all(line.skip_learn for line in world.lines() if isinstance(line, SlotsLogLine))
    await world.set(arguments=POLICY)
    await trained(world)
    alone = await lived(seconds=60)
    await trained(alone)
    assert loads(await world.model()).learned == loads(await alone.model()).learned
    assert await world.model() == await alone.model()


# -- learning -----------------------------------------------------------------------------------


@pytest.fixture
async def undisturbed():
    world = await lived()
    state = await trained(world)
    return world, state, await world.model()


async def test_every_event_is_learned_once(undisturbed):
    world, state, model = undisturbed

    assert state.counters.events == len(list(world.lines())) == 150
    assert loads(model).learned == 150 - state.counters.inactive
    assert loads(model).skipped == 0
    assert 0 < state.counters.inactive < 40
    assert 60 < state.counters.rewarded < 130
    assert state.counters.dangling == state.counters.late == 0


@pytest.mark.parametrize("events_per_step", [1, 7, 40])
async def test_however_training_is_cut_the_model_is_the_same(undisturbed, events_per_step):
    world = await lived()

    state = await trained(world, events_per_step=events_per_step)

    assert await world.model() == undisturbed[2]
    assert state.counters == undisturbed[1].counters


async def test_a_reset_learns_the_log_again_to_the_same_bytes(undisturbed):
    world, _, model = undisturbed
    await world.set(arguments="--ccb_explore_adf --epsilon 0.2 -q FF")
    await trained(world)
    other = await world.model()
    await world.set(arguments=POLICY)

    await trained(world, events_per_step=50)

    assert other != model
    assert await world.model() == model


async def test_changed_reward_settings_are_applied_to_the_log(undisturbed):
    world, _, model = undisturbed
    changed = RewardSettings(timedelta(seconds=10), Aggregation.MIN, default=-0.25)
    await world.set(rewards=changed)
    await trained(world)

    fresh = await lived(rewards=changed)
    await trained(fresh)

    assert await world.model() == await fresh.model() != model


async def test_vowpal_wabbit_learns_the_same_from_our_log(tmp_path):
    vowpalwabbit = pytest.importorskip("vowpalwabbit", reason="the oracle is not installed")
    world = await lived(seconds=300)
    await world.set(arguments="--cb_explore_adf")  # of another kind: logged, not to be learned
    await world.live(20, seed=3)
    await world.set(arguments=POLICY)
    await live(world, 20, seed=4)
    world.now += timedelta(seconds=60)
    await trained(world, events_per_step=40)
    log = tmp_path / "log.dsjson"
    blobs = [b for name, b in sorted(world.blobs.blobs.items()) if "/log/" in name]
    log.write_bytes(b"".join(gzip.decompress(blob.data) for blob in blobs))

    peer = vowpalwabbit.Workspace(f"{POLICY} --dsjson -d {log} --quiet --no_stdin")
    theirs = np.array([peer.get_weight(slot) for slot in range(1 << 18)])
    peer.finish()

    ours = loads(await world.model()).regressor.weights
    lines = list(world.lines())
    outcomes = [o for line in lines if isinstance(line, SlotsLogLine) for o in line.outcomes]
    assert any(line.skip_learn for line in lines)
    assert any(not outcome.a for outcome in outcomes), "slots that got nothing are among them"
    assert np.count_nonzero(theirs) > 50
    assert np.abs(theirs).max() > 0.05
    assert np.abs(ours - theirs).max() < 1e-5


async def test_our_log_is_learned_like_one_that_was_brought_along(undisturbed):
    world, _, model = undisturbed
    blobs = [b for name, b in sorted(world.blobs.blobs.items()) if "/log/" in name]
    log = b"".join(gzip.decompress(blob.data) for blob in blobs)

    learner = Learner(parse(POLICY))
    learner.learn_many(examples(read(BufferedReader(BytesIO(log))), slots=True))

    assert dumps(learner) == model


async def test_a_loop_learns_what_is_liked_in_each_slot():
    world = await lived(seconds=400, rewards=RewardSettings(timedelta(seconds=10)))
    await trained(world)
    await world.reader.refresh()

    decided = [await world.rank.rank_slots(request(f"new {n}", TOP, SIDE)) for n in range(200)]

    for slot, liked in LIKED.items():
        assert sum(chosen(each)[slot] == liked for each in decided) > 150


# -- modes and lines ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [APPRENTICE, LOGGING])
async def test_each_slot_shows_its_baseline_action(mode):
    world = await with_slots(learning_mode=mode)

    decided = [await world.rank.rank_slots(request(f"event {n}")) for n in range(40)]

    assert all(shown(each) == BASELINES for each in decided)
    assert {each.explored for each in decided} == {mode is APPRENTICE}
    drawn = {tuple(chosen(each).values()) for each in decided}
    assert (len(drawn) > 3) == (mode is APPRENTICE)
    if mode is LOGGING:
        assert drawn == {("a", "b", "c")}
        assert all(c.probabilities[0] == 1.0 for each in decided for c in each.choices)


async def test_an_apprentice_learns_to_imitate_in_every_slot_whatever_the_rewards():
    world = await with_slots(learning_mode=APPRENTICE)
    slots = (TOP, replace(SIDE, excluded=frozenset()))
    decided = [await world.rank.rank_slots(request(f"event {n}", *slots)) for n in range(300)]
    for each in decided:
        await world.reward.reward_slots(each.event_id, [SlotReward("top", -1.0)])
    world.now += timedelta(minutes=11)

    state = await trained(world)

    await world.reader.refresh()
    after = [await world.rank.rank_slots(request(f"new {n}", *slots)) for n in range(100)]
    matched = sum(c.matches_baseline for each in decided for c in each.choices)
    assert (state.counters.imitated, state.counters.imitations_matched) == (600, matched)
    assert sum(c.matches_baseline for each in after for c in each.choices) > 160
    for line in world.lines():
        for outcome, baseline in zip(line.outcomes, line.baseline, strict=True):
            assert outcome.label_cost == -float(outcome.a[0] == baseline)
        assert [outcome.original_label_cost for outcome in line.outcomes] == [1.0, 0.0]


async def test_when_only_logging_the_rewards_of_each_baseline_are_learned():
    world = await with_slots(learning_mode=LOGGING)
    await world.rank.rank_slots(request("e", TOP, SIDE))
    await world.reward.reward_slots("e", [SlotReward("side", 0.5)])
    world.now += timedelta(minutes=11)

    state = await trained(world)

    [line] = world.lines()
    assert state.trained.learned == 1
    assert [(o.label_cost, o.a, o.p) for o in line.outcomes] == [
        (0.0, [0], [1.0]), (-0.5, [1], [1.0]),
    ]  # fmt: skip


async def test_a_line_says_what_was_observed_of_each_slot():
    world = await with_slots()
    decided = await world.rank.rank_slots(request("e", TOP, SIDE, deferred=True))
    await world.reward.reward_slots("e", [SlotReward("side", 0.5), SlotReward("foot", 1.0)])
    await world.reward.activate("e", slots=True)
    world.now += timedelta(minutes=11)

    state = await trained(world)

    [line] = world.lines()
    top, side = line.outcomes
    assert state.counters.dangling == 1
    assert [outcome.id for outcome in line.outcomes] == ["top", "side"]
    assert [tuple(o.a) for o in line.outcomes] == [c.ranking for c in decided.choices]
    assert line.baseline == [0, 1]
    assert (top.o, [(o.v, o.Index) for o in side.o]) == ([], [(0.5, "side")])
    assert [o.ActionTaken for o in line.o] == [True]
    assert json.loads(bytes(line.c))["_slots"] == [
        {"_id": "top", "sj": [{"size": "large"}]},
        {"_id": "side", "sj": [{"size": "small"}, {"_inc": [1, 2]}]},
    ]


# -- metrics ------------------------------------------------------------------------------------


async def test_each_choice_is_a_decision_in_the_metrics():
    world = await with_slots()
    only_b = replace(SIDE, excluded=frozenset("ac"))
    closed = []
    for number in range(60):
        decided = await world.rank.rank_slots(request(f"event {number}", TOP, only_b))
        closed.append(JoinedSlots(decided, (), (1.0, 0.5)))
    tally = Tally()
    for example in closed:
        tally.event(example, 4, LearningMode.ONLINE, slots=True)

    row = tally.row()

    drawn = [c for e in closed for c in e.interaction.choices if c.ranking]
    first = [c for c in drawn if c.id == "top"]
    assert (row.events, row.active, row.learned) == (60, 60, 60)
    assert row.online.events == row.actions.count == len(drawn) < 120
    assert row.online.rewards == 60 + 0.5 * (len(drawn) - 60)
    assert row.matched == sum(c.matches_baseline for c in drawn)
    assert row.baseline.weights == pytest.approx(
        3 * sum(c.matches_baseline for c in first) + len(drawn) - 60
    )
    assert row.uniform.weights == pytest.approx(len(drawn))
    assert (row.lowest, row.highest) == (0.5, 1.0)
    assert row.offered == 180
    assert row.features.names.count == 180
