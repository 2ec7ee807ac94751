"""Event ids: their keys are safe, their draws uniform and repeatable."""

import re

from hypothesis import given
from hypothesis import strategies as st

from shared.events.event_ids import draw, new_event_id, shard_of, storage_key

IDS = st.text(min_size=1, max_size=256).filter(lambda t: not re.search("[\ud800-\udfff]", t))


def test_a_new_id_has_the_form_of_the_retired_service():
    assert re.fullmatch(r"[0-9a-f]{32}-[0-9A-Za-z]{5}", new_event_id())
    assert new_event_id() != new_event_id()


@given(IDS, IDS)
def test_different_ids_have_different_safe_keys(one, other):
    assert re.fullmatch(r"[A-Za-z0-9_~-]{1,400}", storage_key(one))
    assert (storage_key(one) == storage_key(other)) == (one == other)


@given(IDS)
def test_shard_and_draw_follow_from_the_id_alone(event_id):
    assert shard_of(event_id, 8) == shard_of(event_id, 8)
    assert 0 <= shard_of(event_id, 8) < 8
    assert draw(event_id, "salt") == draw(event_id, "salt")
    assert 0 <= draw(event_id, "salt") < 1


def test_draws_and_shards_are_spread_evenly():
    draws = [draw(f"event {i}", "salt") for i in range(20_000)]
    shards = [shard_of(f"event {i}", 8) for i in range(20_000)]

    deciles = [sum(d // 0.1 == k for d in draws) for k in range(10)]
    assert all(abs(count - 2000) < 200 for count in deciles)
    assert all(abs(shards.count(k) - 2500) < 250 for k in range(8))
