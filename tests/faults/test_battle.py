"""Nothing lost, nothing twice: the short form of ``make faults``, and proof that it can fail."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.battle import Orders, fight
from tests.faults.proxy import EVERYTHING

STORM = Orders(
    seed=1,
    rate=25,
    seconds=15,
    wait=8,
    plan=EVERYTHING,
    moves=[
        *["kill_rank"] * 3,
        *["kill_trainers_at_a_write"] * 2,
        "kill_trainer",
        "refuse",
        "hang",
        "drop_connections",
        "throttle",
        "swallow_answers",
        "change_policy",
        "damage_model",
        "damage_state",
        "lose_state",
    ],
)
BATTLES = {
    "storm": STORM,
    "dropped tables": Orders(rate=20, seconds=8, wait=3, moves=["drop_tables"]),
    "acknowledged before written": Orders(
        sabotage="acknowledge_before_write",
        rate=20,
        seconds=8,
        wait=3,
        moves=["refuse"],
        longest_away=6,
        catch_up=15,
    ),
    "cursor": Orders(
        sabotage="cursor_instead_of_closed_buckets", rate=20, seconds=6, wait=3, catch_up=15
    ),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """All battles, some at a time: each is mostly waiting."""
    with ThreadPoolExecutor(3) as pool:
        fought = {
            name: pool.submit(fight, orders, tmp_path_factory.mktemp("battle"))
            for name, orders in BATTLES.items()
        }
        return {name: report.result() for name, report in fought.items()}


def test_nothing_is_lost_and_nothing_learned_twice(reports):
    report = reports["storm"]

    assert report.verdict.broken == {}
    assert report.verdict.ranked > 100
    assert report.verdict.rewarded > 50
    assert report.kills >= 4
    assert set(report.moves) == set(STORM.moves)
    assert len(report.injected) >= 8


def test_what_comes_after_dropped_tables_is_neither_lost_nor_doubled(reports):
    verdict = reports["dropped tables"].verdict

    assert verdict.ranked > 20
    # What the tables held is gone, so that no training can be compared with another.
    assert verdict.broken.keys() <= {"model_differs", "counters_differ", "metrics_differ"}


def test_an_acknowledgement_before_the_write_is_found_out(reports):
    assert reports["acknowledged before written"].verdict.lost > 0


def test_a_cursor_behind_the_last_row_seen_is_found_out(reports):
    verdict = reports["cursor"].verdict

    assert verdict.lost > 0
    assert verdict.late_events > 0
