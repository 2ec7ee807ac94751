"""Logs: the original's decision-service JSON in both spellings, and the joined log."""

import gzip
import io
import json
import math
import zlib
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np

from shared.events import joined_log
from shared.events.decision_log import LogError, encode, read
from shared.events.rewards import Aggregation, RewardSettings
from shared.learner.arguments import parse
from shared.learner.learner import Learner
from shared.learner.log_examples import examples
from shared.services.log_store import decode_blob
from shared.services.ports import StorageError
from tests.fuzz.mutation import havoc, json_mutator
from tests.fuzz.target import Havoc, Target

EXPENSIVE = 8
"""One in so many logs is learned as well, chosen by a checksum of the input."""

DATA = Path(__file__).parents[1] / "events" / "data"
MEMBERS = (
    "_label_cost", "_label_probability", "_label_Action", "_labelIndex", "_label", "Cost",
    "Probability", "Action", "_skipLearn", "o", "Timestamp", "EventId", "a", "c", "p", "_outcomes",
    "_ba", "VWState", "pdrop", "_original_label_cost", "RewardValue", "_a", "_p", "_o", "_id", "v",
    "ActionTaken", "Index", "Id", "Mode", "Bucket", "DeferredAction", "_multi", "_slots", "FromUrl",
)  # fmt: skip
VALUES = ("2026-01-01T00:00:00Z", "Online", "Apprentice", 0.5, 0, 1, 2, -1.0, [1], [0.5, 0.5],
          [1, 2], {"Cost": -1, "Probability": 0.5, "Action": 1})  # fmt: skip


@cache
def _settings(slots: bool):
    return parse(f"--{'c' * slots}cb_explore_adf -q :: -b 8")


def decision_log(data: bytes) -> bool:
    """What is read can be written and read again, and learned or refused by its number."""
    bad: list[LogError] = []
    found = []
    stream = io.BufferedReader(io.BytesIO(data))
    try:
        for number, line in read(stream, bad.append):
            assert number >= 1
            assert math.isfinite(line.weight)
            assert line.weight >= 1.0
            _ = line.cost, line.probability, line.chosen, line.is_learned
            found.append((number, line))
    except LogError as exc:
        bad.append(exc)
    for error in bad:
        assert error.number >= 1
        assert len(str(error)) < 600, str(error)[:80]
    again = read(io.BufferedReader(io.BytesIO(encode([line for _, line in found]))))
    assert [line for _, line in again] == [line for _, line in found]
    for slots in (False, True) if crc32(data) % EXPENSIVE == 0 else ():
        learner = Learner(_settings(slots))
        learner.learn_many(examples(found, bad.append, slots=slots))
        assert np.isfinite(learner.regressor.weights).all()
        assert learner.learned + learner.skipped <= len(found)
    return bool(found) and not bad


REWARDS = RewardSettings(aggregation=Aggregation.SUM)


def joined(data: bytes) -> bool:
    """A blob of the joined log is read whole, or said to be damaged."""
    try:
        found = decode_blob("log", data)
    except StorageError as exc:
        assert "log" in str(exc)
        return False
    for line in found:
        joined_log.is_learned(line, REWARDS, line.Mode, isinstance(line, joined_log.SlotsLogLine))
        if isinstance(line, joined_log.SlotsLogLine):
            costs = joined_log.rewards_of(line, REWARDS)
        else:
            costs = [joined_log.reward_of(line, REWARDS)]
        assert all(map(math.isfinite, costs)), costs
    text = b"".join(map(joined_log.encode_line, found))
    assert decode_blob("log", gzip.compress(text, 1)) == found
    return bool(found)


_line_mutator = json_mutator(MEMBERS, VALUES)


def mutate_log(data: bytes, rng, bytewise: Havoc) -> bytes:
    """Change a line, the order of lines, or the stream."""
    compressed = data[:2] == b"\x1f\x8b"
    if rng.random() < 0.1:
        return bytewise(data, rng)
    if compressed:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, ValueError, zlib.error):
            return bytewise(data, rng)
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    share = rng.random()
    if share < 0.8:
        lines[at] = _line_mutator(lines[at], rng, bytewise)
    elif share < 0.9:
        lines.insert(at, rng.choice(lines))
    else:
        del lines[at]
    data = b"\n".join(lines)
    if compressed or rng.random() < 0.02:
        data = gzip.compress(data, 1, mtime=0)
        if rng.random() < 0.2:
            data = havoc(data, rng)
    return data


def decision_seeds() -> list[bytes]:
    cb = (DATA / "cb.dsjson").read_bytes().splitlines()
    ccb = (DATA / "ccb.dsjson").read_bytes().splitlines()
    older = json.loads(cb[0])
    names = {"Cost": "_label_cost", "Probability": "_label_probability", "Action": "_label_Action"}
    older["_label"] = {new: older.pop(old) for new, old in names.items()}
    older = json.dumps({**older, "pdrop": 0.25}).encode()
    dangling = b'{"RewardValue":1,"EventId":"e","Timestamp":"2026-01-01T00:00:00Z"}'
    seeds = [cb[0], ccb[0], older, dangling, b"\n".join((cb[1], dangling, ccb[1], older))]
    return [*seeds, gzip.compress(seeds[-1], mtime=0), b"\xef\xbb\xbf" + cb[2]]


def joined_seeds() -> list[bytes]:
    from tests.fuzz.stored import joined_lines

    text = joined_lines()
    lines = text.splitlines(keepends=True)
    return [gzip.compress(each, mtime=0) for each in (text, lines[0], lines[-1], b"")]


TARGETS = (
    Target("decision-log", decision_log, decision_seeds, mutate_log, 6000),
    Target("joined-log", joined, joined_seeds, mutate_log, 2000),
)
