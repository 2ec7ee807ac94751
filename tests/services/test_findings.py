"""Each finding is made of a log that provokes it, and not of one that does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as replace_struct

from shared.events.sketches import Delays, Distinct, Frequent
from shared.learner.arguments import parse
from shared.learner.estimators import Estimate
from shared.services.findings import CHECKS, examine
from shared.services.findings.checkup import Checkup, Dangling, FeatureProfile, Sample, Severity
from shared.services.loop_settings import LearningMode, LoopSettings
from shared.services.loop_state import LoopState, ModelInfo
from shared.services.metrics_row import FeatureCounts, Row

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ARGUMENTS = "--cb_explore_adf --epsilon 0.2 -q ::"


def estimate(events, mean=0.5, effective=None):
    weight = 1.0 if effective is None else events / effective
    return Estimate(
        events=events,
        matched=round(events / weight),
        weights=float(events),
        squared_weights=events * weight,
        rewards=mean * events,
        squared_rewards=mean * mean * events * weight,
    )


def shows(**counts):
    frequent = Frequent()
    for name, count in counts.items():
        frequent.add(name, count)
    return frequent


def distinct(count):
    found = Distinct()
    found.add(map(str, range(count)))
    return found


def delays(*seconds):
    found = Delays()
    for each in seconds:
        found.add(each)
    return found


MODEL = ModelInfo("v2", NOW - timedelta(days=1), NOW - timedelta(minutes=2), 5_000)
HEALTHY = Checkup(
    settings=LoopSettings("app", NOW, ARGUMENTS),
    learning=parse(ARGUMENTS),
    state=LoopState(
        epoch=0,
        shards=4,
        bucket_seconds=60,
        cursor=int(NOW.timestamp()) - 700,
        trained=MODEL,
        published=replace(MODEL, version="v1"),
        published_at=NOW - timedelta(minutes=4),
        last_training=NOW - timedelta(minutes=1),
    ),
    row=Row(
        events=2_000,
        rewarded=1_500,
        late=20,
        late_delays=delays(*[700] * 20),
        dangling=10,
        duplicates=5,
        online=estimate(2_000, 0.5),
        baseline=estimate(2_000, 0.3, effective=300),
        uniform=estimate(2_000, 0.25, effective=800),
        best=estimate(2_000, 0.55, effective=1_700),
        explored=300,
        tried=300,
        matched=400,
        lowest=0.0,
        highest=1.0,
        delays=delays(*[20] * 1_500),
        offered=8_000,
        actions=shows(a=900, b=500, c=400, d=200),
        action_ids=distinct(4),
        context=FeatureCounts(features=6_000, namespaces=2_000),
        shards={0: 500, 1: 480, 2: 510, 3: 510},
    ),
    sample=Sample(
        events=500,
        context={
            "FromUrl.os": FeatureProfile(500, 500, 4),
            "FromUrl.age": FeatureProfile(500, 500, 80, numbers=80, largest=99),
            "FromUrl.spend": FeatureProfile(500, 500, 490, numbers=490, largest=310.5),
        },
        actions={"j.kind": FeatureProfile(4, 4, 3), "j.new": FeatureProfile(2, 4, 1)},
        terms=40,
        mixed_terms=12,
    ),
    dangling=Dangling(),
    lag=timedelta(seconds=30),
    now=NOW,
)


def but(row=None, sample=None, settings=None, state=None, learning=None, **members):
    """Return a healthy loop's checkup, changed."""
    seen = replace(HEALTHY, **members)
    for name, changes in {
        "row": row, "sample": sample, "settings": settings, "state": state, "learning": learning
    }.items():  # fmt: skip
        if changes:
            change = replace_struct if name == "learning" else replace
            seen = replace(seen, **{name: change(getattr(seen, name), **changes)})
    return seen


def context(**profiles):
    profiles = {name.replace("__", "."): FeatureProfile(*of) for name, of in profiles.items()}
    return {"context": HEALTHY.sample.context | profiles}


NO_REWARDS = {"rewarded": 0, "late": 0, "late_delays": Delays(), "dangling": 0, "highest": 0.0}
APPRENTICE = {"learning_mode": LearningMode.APPRENTICE}

PROVOKED = {
    "noRewards": [but(NO_REWARDS)],
    "rewardsLate": [
        but({"late": 300, "late_delays": delays(*[700] * 270, *[1500] * 30)}),
        but({"dangling": 300}, dangling=Dangling(delays=(3600.0,) * 9, unknown=("x",))),
    ],
    "almostAllDefaulted": [but({"rewarded": 40})],
    "wrongEventIds": [
        but({"dangling": 300}),
        but({"dangling": 300}, dangling=Dangling((3600.0,), ("e1", "e2"))),
    ],
    "repeatedEventIds": [but({"duplicates": 200})],
    "rewardOutOfRange": [but({"highest": 3.0}), but({"lowest": -1.5})],
    "rewardConstant": [but({"lowest": 1.0, "highest": 1.0})],
    "oneAction": [
        but({"offered": 2_000}),
        but({"actions": shows(a=2_000)}),
    ],
    "explorationTooLow": [but({"tried": 5})],
    "explorationTooHigh": [but({"tried": 1_200})],
    "probabilitiesEqual": [
        but({"equal": 1_500, "tried": 100}, learning={"learning_rate": 0.001}),
        but({"equal": 1_500, "tried": 100}),
    ],
    "apprenticeReady": [but({"imitated": 2_000, "imitations_matched": 1_600}, settings=APPRENTICE)],
    "shardImbalance": [but({"shards": {0: 1_700, 1: 100, 2: 100, 3: 100}})],
    "estimatesUnreliable": [but({"baseline": estimate(2_000, 0.3, effective=12)})],
    "contextMissing": [but({"context": FeatureCounts(without=1_500)})],
    "featureIsId": [
        but(sample=context(FromUrl__user=(500, 500, 480))),
        but(sample=context(FromUrl__user=(500, 500, 500, 500, 0, 9e6))),
    ],
    "featureIsTimestamp": [but(sample=context(FromUrl__now=(500, 500, 490, 0, 490)))],
    "featureIsConstant": [
        but(sample=context(FromUrl__site=(500, 500, 1))),
        but(sample={"actions": {"j.kind": FeatureProfile(4, 4, 1)}}),
    ],
    "noInteractions": [but(sample={"mixed_terms": 0})],
    "tooManyInteractions": [but(sample={"terms": 5_000})],
    "neverPublished": [
        but(state={"published": None, "trained": None, "published_at": None}),
        but(
            {"inactive": 2_000},
            state={"published": None, "trained": None, "published_at": None},
        ),
    ],
    "modelStale": [but(state={"published_at": NOW - timedelta(hours=3)})],
    "trainingBehind": [
        but(lag=timedelta(minutes=20)),
        but(lag=timedelta(days=2), state={"last_training": None}),
    ],
    "eventsArriveLate": [but({"late_events": 1})],
}

INNOCENT = {
    "noRewards": [but(NO_REWARDS | {"events": 20}), but({"rewarded": 0})],
    "rewardsLate": [
        but({"late": 60, "late_delays": delays(*[700] * 60)}),
        but({"dangling": 300}, dangling=Dangling(unknown=("x",))),
    ],
    "almostAllDefaulted": [but({"rewarded": 200}), but(NO_REWARDS)],
    "wrongEventIds": [
        but({"dangling": 60}),
        but({"dangling": 300}, dangling=Dangling(delays=(3600.0,) * 9)),
    ],
    "repeatedEventIds": [but({"duplicates": 50})],
    "rewardOutOfRange": [but({"lowest": -1.0}), but({"lowest": None, "highest": None})],
    "rewardConstant": [but({"lowest": 1.0, "highest": 1.0, "events": 30}), but(NO_REWARDS)],
    "oneAction": [
        but({"offered": 2_100}),
        but({"actions": shows(a=1_900, b=100)}),
        but({"offered": 20, "events": 20}),
    ],
    "explorationTooLow": [
        but({"tried": 5, "without_model": 1_800}),
        but({"tried": 5, "equal": 1_800}),
        but({"tried": 5}, settings=APPRENTICE),
    ],
    "explorationTooHigh": [
        but({"explored": 2_000, "without_model": 1_800, "tried": 150}),
        but({"tried": 600}),
    ],
    "probabilitiesEqual": [
        but({"equal": 500}),
        but({"equal": 1_500}, state={"published": replace(MODEL, learned=100)}),
    ],
    "apprenticeReady": [
        but({"imitated": 2_000, "imitations_matched": 1_200}, settings=APPRENTICE),
        but({"imitated": 100, "imitations_matched": 100}, settings=APPRENTICE),
        but({"imitated": 2_000, "imitations_matched": 1_900}),
    ],
    "shardImbalance": [
        but({"shards": {0: 700, 1: 400, 2: 500, 3: 400}}),
        but({"events": 40, "shards": {0: 40}}),
    ],
    "estimatesUnreliable": [
        but({"baseline": estimate(100, 0.3, effective=12), "online": estimate(100), "events": 100}),
        but({"baseline": estimate(2_000, 0.3, effective=12)}, settings=APPRENTICE),
    ],
    "contextMissing": [but({"context": FeatureCounts(without=500)})],
    "featureIsId": [but(sample=context(FromUrl__city=(500, 500, 300)))],
    "featureIsTimestamp": [but(sample=context(FromUrl__now=(500, 500, 490, 0, 100)))],
    "featureIsConstant": [
        but(sample=context(FromUrl__member=(300, 500, 1))),
        but(sample=context(FromUrl__site=(30, 30, 1))),
    ],
    "noInteractions": [
        but(sample={"mixed_terms": 0, "context": {}}),
        but(sample={"mixed_terms": 0, "events": 10}),
    ],
    "tooManyInteractions": [but(sample={"terms": 900})],
    "neverPublished": [
        but({"events": 20}, state={"published": None}),
    ],
    "modelStale": [
        but(state={"published_at": NOW - timedelta(minutes=15)}),
        but(state={"published_at": NOW - timedelta(hours=3), "published": MODEL}),
    ],
    "trainingBehind": [but(lag=timedelta(minutes=5))],
    "eventsArriveLate": [but({"late_events": 0})],
}


def codes(seen):
    return {finding.code for finding in examine(seen)}


def cases(table):
    return [
        pytest.param(code, seen, id=f"{code} {number}")
        for code, checkups in table.items()
        for number, seen in enumerate(checkups)
    ]


@pytest.mark.parametrize(("code", "seen"), cases(PROVOKED))
def test_a_finding_is_made_where_there_is_something_to_find(code, seen):
    assert code in codes(seen)


@pytest.mark.parametrize(("code", "seen"), cases(INNOCENT))
def test_a_finding_is_not_made_without_a_reason(code, seen):
    assert code not in codes(seen)


def test_nothing_is_found_in_a_healthy_loop_or_a_new_one():
    new = replace(HEALTHY.state, published=None, trained=None, published_at=None)

    assert codes(HEALTHY) == set()
    assert codes(replace(HEALTHY, row=Row(), sample=Sample(), state=new)) == set()


def test_a_loop_with_slots_is_healthy_although_each_action_is_shown_in_each_event():
    seen = but(
        {
            "online": estimate(6_000),
            "best": estimate(6_000, 0.55, effective=5_100),
            "explored": 2_900,
            "tried": 900,
            "without_model": 3_000,
            "offered": 6_000,
            "actions": shows(a=2_000, b=2_000, c=2_000),
            "action_ids": distinct(3),
        }
    )

    assert seen.modelled == 3_000
    assert codes(seen) == set()


def test_every_check_has_a_log_that_provokes_it_and_one_that_does_not():
    made = {
        check.__name__: {finding.code for seens in PROVOKED.values() for seen in seens
                         for finding in check(seen)}
        for check in CHECKS
    }  # fmt: skip

    assert all(made.values()), made
    assert set().union(*made.values()) == PROVOKED.keys() == INNOCENT.keys()


def test_the_worst_comes_first_and_every_text_says_something():
    severities = []
    for seens in PROVOKED.values():
        for seen in seens:
            found = examine(seen)
            severities += [finding.severity for finding in found]
            assert found == sorted(found, key=lambda f: list(Severity).index(f.severity))
            for finding in found:
                for text in (finding.evidence, finding.cause, finding.remedy):
                    assert len(text) > 20
                    assert text.endswith((".", "::"))
    assert set(severities) == set(Severity)


def test_the_wait_that_would_have_caught_late_rewards_is_worked_out():
    seen = but({"late": 300, "late_delays": delays(*[1000] * 290, *[50_000] * 10)})

    [late] = [finding for finding in examine(seen) if finding.code == "rewardsLate"]

    assert "300 of 1,800 rewards" in late.evidence
    assert "reward wait time of 10 minutes. 20 minutes would have caught 95 %" in late.evidence
    assert "Set rewardWaitTime to 20 minutes" in late.remedy


def test_rewards_so_late_that_their_event_was_forgotten_count_as_late():
    seen = but({"dangling": 400}, dangling=Dangling(delays=(7_000.0, 9_000.0), unknown=("x", "y")))

    found = {finding.code: finding.evidence for finding in examine(seen)}

    assert "220 of 1,720 rewards" in found["rewardsLate"]  # half of the dangling ones, and 20
    assert "3 hours would have caught" in found["rewardsLate"]
    assert "200 of 1,920 rewards" in found["wrongEventIds"]
    assert "'x'" in found["wrongEventIds"]
