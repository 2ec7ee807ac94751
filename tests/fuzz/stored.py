"""What is read from storage: a damaged document or row is a storage error, never another one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from shared.events.interaction import ExcludedAction, Interaction, SlotChoice, SlotsInteraction
from shared.events.join import JoinedExample, JoinedSlots
from shared.events.joined_log import encode_lines
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation, SlotReward
from shared.services import jobs, loop_registry, metrics_store
from shared.services.loop_registry import LoopRecord
from shared.services.loop_state import (
    LastRead,
    ModelInfo,
    Replay,
    decode_settings,
    decode_state,
    encode,
    least_step,
    published,
    training_due,
)
from shared.services.metrics_row import Tally
from shared.services.ports import Blob, StorageError
from shared.storage import event_codec
from tests.fuzz import known
from tests.fuzz.mutation import json_mutator, msgpack_mutator
from tests.fuzz.target import Target

WAIT = timedelta(minutes=10)


def document(
    decode: Callable[[Blob], Any], check: Callable[[Any], None]
) -> Callable[[bytes], bool]:
    """Return a target's run for a stored JSON document."""

    def run(data: bytes) -> bool:
        try:
            found = decode(Blob(data, "tag"))
        except StorageError as exc:
            assert "damaged" in str(exc)
            assert len(str(exc)) < 600, str(exc)[:80]
            return False
        assert decode(Blob(msgspec.json.encode(found), "tag")) == found
        check(found)
        return True

    return run


def _state(state: Any) -> None:
    assert least_step(state, WAIT) >= 1
    training_due(state, WAIT, WAIT)
    state.space("default").bucket(known.NOW)
    published(state, known.NOW)
    for moment in (state.published_at, state.last_training):
        assert moment is None or moment <= known.NOW or moment > known.NOW


def _settings(settings: Any) -> None:
    _ = settings.has_slots
    assert decode_settings(Blob(encode(settings), "")) == settings


def _record(record: Any) -> None:
    loop_registry.opens(record.key_digests, loop_registry.digest("a key"))


def page(data: bytes) -> bool:
    """A page of metrics."""
    try:
        found = metrics_store._page("page", data)
    except StorageError as exc:
        assert "page is damaged" in str(exc)
        return False
    written = metrics_store._encode(found)
    assert metrics_store._encode(metrics_store._page("page", written)) == written
    return True


ROW = {"PartitionKey": "01-1767323040", "RowKey": "ZQ"}


def event_row(data: bytes) -> bool:
    """A row of a table of events, of each kind that there is."""
    cut = len(data) // 2
    payload = {"data0": data} if len(data) % 2 else {"data0": data[:cut], "data1": data[cut:]}
    readers = (
        (event_codec.row_interaction, {}),
        (event_codec.row_interaction, {"kind": event_codec.SLOTS}),
        (event_codec.row_observation, {}),
    )
    accepted = False
    for read, kind in readers:
        try:
            found = read({**ROW, **kind, **payload})
        except StorageError as exc:
            assert "partition 01-1767323040" in str(exc)
            assert "/ZQ" not in str(exc)  # an id that a caller made up
            continue
        accepted = True
        try:
            written = msgspec.msgpack.encode(found)
        except OverflowError:
            continue  # a time so late that it is none in UTC
        assert msgspec.msgpack.encode(read({**ROW, **kind, "data0": written})) == written
    return accepted


CONTEXT = b'{"FromUrl":[{"x":1}],"_multi":[{"i":{"id":"a"},"j":[{"y":2}]},{"i":{"id":"b"},"j":[]}]}'
INTERACTION = Interaction("e", known.NOW, CONTEXT, ("a", "b"), (1, 0), (0.1, 0.9), "v", True,
                          (ExcludedAction(2, "c"),))  # fmt: skip
SLOTS = SlotsInteraction(
    "f", known.NOW, CONTEXT[:-1] + b',"_slots":[{"_id":"top"},{"_id":"side"}]}', ("a", "b"),
    (SlotChoice("top", 0, (1, 0), (0.5, 0.5)), SlotChoice("side", 1, (0,), (1.0,))), "v",
    mode=LearningMode.APPRENTICE,
)  # fmt: skip
REWARDED = Observation("e", "1", known.NOW, 0.5)
ACTIVATED = Observation("e", "2", known.NOW, None)
SLOTS_REWARDED = Observation("f", "3", known.NOW, None, (SlotReward("top", 1.0),))


def joined_lines() -> bytes:
    """Return log lines of both kinds."""
    single = JoinedExample(INTERACTION, (REWARDED, ACTIVATED), 0.5)
    slots = JoinedSlots(SLOTS, (SLOTS_REWARDED,), (1.0, 0.0))
    return encode_lines([(1767323040, single), (1767323100, slots)], LearningMode.ONLINE, False)


def _row_seeds() -> list[bytes]:
    events = (INTERACTION, SLOTS, REWARDED, ACTIVATED, SLOTS_REWARDED)
    return [msgspec.msgpack.encode(each) for each in events]


def _state_seeds() -> list[bytes]:
    model = ModelInfo("20260102T030405Z-0123456789abcdef", known.NOW, known.NOW, 100)
    full = replace(
        known.STATE, fingerprint="f" * 16, trained=model, published=model, published_at=known.NOW,
        replay=Replay(1, 2), last_read=LastRead(1, 2, 3), last_training=known.NOW, history=("v",),
    )  # fmt: skip
    return [encode(known.STATE), encode(full)]


def _page_seeds() -> list[bytes]:
    tally = Tally()
    tally.event(JoinedExample(INTERACTION, (REWARDED, ACTIVATED), 0.5), 8,
                LearningMode.ONLINE, False)  # fmt: skip
    tally.dangling(REWARDED)
    full = metrics_store.Page(1767323100, {1767322800: tally.row()})
    return [metrics_store._encode(each) for each in (full, metrics_store.Page())]


def _job_seeds() -> list[bytes]:
    policies = (jobs.NamedPolicy("p", "--cb_explore_adf"),)
    job = jobs.Job("id", "name", known.NOW, known.NOW + WAIT, known.NOW, policies)
    return [msgspec.json.encode(job)]


TIMES = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "0001-01-01T00:00:00Z", "PT10M", "P999999D",
         "9999-12-31T23:59:59-14:00", "Online", "sum", 10**11, 10**12)  # fmt: skip
RECORD = LoopRecord("shop", known.NOW, 3, ("0" * 64, "1" * 64), "d", None)

TARGETS = (
    Target("stored-state", document(decode_state, _state), _state_seeds,
           json_mutator(("epoch", "shards", "bucket_seconds", "cursor", "trained"), TIMES)),
    Target("stored-settings", document(decode_settings, _settings),
           lambda: [encode(each) for each in known.SETTINGS],
           json_mutator(("arguments", "exploration", "rewards", "log_mirror"), TIMES)),
    Target("stored-record", document(loop_registry._decode, _record),
           lambda: [msgspec.json.encode(RECORD)], json_mutator(("deleted", "key_digests"), TIMES)),
    Target("stored-job", document(jobs._decode, lambda job: None), _job_seeds,
           json_mutator(("policies", "status"), TIMES)),
    Target("metrics-page", page, _page_seeds, msgpack_mutator((), TIMES), 4096),
    Target("event-row", event_row, _row_seeds, msgpack_mutator((), TIMES)),
)  # fmt: skip
