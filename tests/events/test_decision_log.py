"""Logs of the original are read and written as they were; bad lines are told by their number."""

import gzip
import io
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.decision_log import MAX_LINE, LogError, encode, read
from shared.learner.learner import Outcome
from shared.learner.log_examples import examples

DATA = Path(__file__).parent / "data"


def lines_of(data, on_bad_line=None):
    return list(read(io.BufferedReader(io.BytesIO(data)), on_bad_line))


def decision(**members):
    line = {
        "_label_cost": -1.0,
        "_label_probability": 0.5,
        "_label_Action": 2,
        "_labelIndex": 1,
        "c": {"_multi": [{"a": {"x": 1}}, {"a": {"y": 1}}]},
        "a": [2, 1],
        "p": [0.5, 0.5],
    }
    line.update(members)
    return json.dumps({key: value for key, value in line.items() if value is not None}).encode()


@pytest.mark.parametrize("name", ["cb.dsjson", "ccb.dsjson"])
def test_a_genuine_log_comes_back(name):
    data = (DATA / name).read_bytes()

    written = encode(line for _, line in lines_of(data))

    assert [json.loads(line) for line in written.splitlines()] == [
        json.loads(line) for line in data.splitlines()
    ]
    assert encode(line for _, line in lines_of(written)) == written


def test_a_genuine_log_says_what_was_chosen():
    found = list(examples(lines_of((DATA / "cb.dsjson").read_bytes())))

    assert len(found) == 8  # two were never activated
    assert [example.chosen for example in found[:2]] == [2, 1]
    assert found[0].probability == pytest.approx(1 / 3)
    assert sum(example.cost for example in found) == -4.0


def test_a_genuine_log_over_slots_says_what_was_chosen_for_each():
    lines = lines_of((DATA / "ccb.dsjson").read_bytes())

    found = list(examples(lines, slots=True))

    assert [outcome.id for outcome in lines[0][1].outcomes] == ["MainArticle", "SideBar"]
    assert len(found) == 8  # two were never activated
    assert found[1].outcomes == (Outcome(1, 0.0, 0.25), Outcome(3, -0.4, 0.33333334))
    assert [len(example.costs) for example in found] == [2, 2, 2, 2, 2, 1, 1, 1]


def test_decisions_over_slots_are_not_learned_by_a_policy_without():
    lines = lines_of((DATA / "ccb.dsjson").read_bytes())

    with pytest.raises(LogError, match=r"line 1: .*--ccb_explore_adf"):
        list(examples(lines))


def over_slots(*outcomes):
    context = {"_multi": [{"a": {"x": 1}}, {"a": {"y": 1}}], "_slots": [{}, {}]}
    return json.dumps({"c": context, "_outcomes": outcomes}).encode()


def test_what_is_known_of_some_slots_only_is_learned():
    known = {"_label_cost": -1, "_a": [1, 0], "_p": [0.75, 0.25]}

    (found,) = examples(
        lines_of(over_slots(known, {"_id": "x", "_o": []}) + b"\n" + over_slots()), slots=True
    )
    (uncosted,) = examples(lines_of(over_slots({"_a": 0, "_p": 0.5}, known)), slots=True)

    assert found.outcomes == (Outcome(1, -1.0, 0.75), None)
    assert uncosted.outcomes == (Outcome(0, None, 0.5), Outcome(1, -1.0, 0.75))
    assert uncosted.costs == (-1.0,)


def test_outcomes_of_slots_without_a_decision_are_a_bad_line():
    lines = lines_of(over_slots() + b'\n{"RewardValue":1,"_outcomes":[]}\n' + over_slots())

    with pytest.raises(LogError, match="line 2: there are outcomes of slots, but no decision"):
        list(examples(lines, slots=True))


@pytest.mark.parametrize("probability", [0.0, -0.5, 1.5])
def test_a_slot_with_a_probability_that_cannot_be_is_a_bad_line(probability):
    line = over_slots({"_label_cost": 0, "_a": [0], "_p": [probability]})

    with pytest.raises(LogError, match="line 1: the probability"):
        list(examples(lines_of(line), slots=True))


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"_labelIndex": None},
        {"_label_Action": None},
        {"_label_Action": None, "_labelIndex": None},
        {"_label_probability": None},
        {
            "_label": {"Cost": -1.0, "Probability": 0.5, "Action": 2},
            "_label_cost": None,
            "_label_probability": None,
            "_label_Action": None,
            "_labelIndex": None,
        },
    ],
)
def test_all_spellings_of_a_label_mean_the_same(members):
    (found,) = examples(lines_of(decision(**members)))

    assert (found.chosen, found.cost, found.probability, found.weight) == (1, -1.0, 0.5, 1.0)


def test_dropped_decisions_are_made_up_for():
    (found,) = examples(lines_of(decision(pdrop=0.75)))

    assert found.weight == 4.0


@pytest.mark.parametrize(
    "line",
    [
        decision(_skipLearn=True),
        decision(_label_cost=None),
        b'{"EventId":"x","RewardValue":1.0,"Timestamp":"2017-11-27T01:19:13.4610000Z"}',
    ],
)
def test_what_is_not_to_be_learned_is_left_out(line):
    assert list(examples(lines_of(line))) == []


BAD = [
    b"not json",
    b'{"_label_cost":"high"}',
    b"{}",
    b"[]",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"c":{},"pdrop":1.0}',
    decision()[:-1],
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_a_bad_line_is_told_by_its_number_and_the_rest_is_read(bad):
    told = []

    found = lines_of(decision() + b"\n\r\n" + bad + b"\n" + decision() + b"\r\n", told.append)

    assert [number for number, _ in found] == [1, 4]
    assert [error.number for error in told] == [3]
    with pytest.raises(LogError, match="line 3"):
        lines_of(decision() + b"\n\n" + bad)


def test_a_line_that_is_too_long_is_passed_over():
    told = []

    found = lines_of(b"x" * (2 * MAX_LINE + 5) + b"\n" + decision(), told.append)

    assert [number for number, _ in found] == [2]
    assert "longer" in told[0].reason


def test_logs_may_be_compressed_and_have_a_byte_order_mark():
    data = b"\xef\xbb\xbf" + decision() + b"\n" + decision()

    assert len(lines_of(gzip.compress(data))) == len(lines_of(data)) == 2
    assert lines_of(b"") == lines_of(b"\xef\xbb\xbf") == []


def test_damaged_compression_is_told_even_where_bad_lines_are_skipped():
    data = gzip.compress(b"\n".join(decision(EventId=str(n)) for n in range(5000)))

    with pytest.raises(LogError, match="compression"):
        lines_of(data[: len(data) // 2], lambda _: None)


def test_the_reason_never_holds_what_the_line_says():
    with pytest.raises(LogError) as refused:
        lines_of(decision(_label_cost="my secret"))

    assert "secret" not in str(refused.value)


def test_memory_does_not_depend_on_the_length(tmp_path):
    line = decision(pad="x" * 500) + b"\n"
    (tmp_path / "log").write_bytes(line * 40_000)

    with (tmp_path / "log").open("rb") as stream:
        tracemalloc.start()
        assert sum(1 for _ in read(stream)) == 40_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 1_000_000


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.dictionaries(
                st.sampled_from(["c", "_label_cost", "_label", "a", "p", "_outcomes", "pdrop"]),
                st.recursive(
                    st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers(),
                    lambda inner: (
                        st.lists(inner, max_size=3)
                        | st.dictionaries(st.sampled_from(["_a", "_p", "Cost", "_multi"]), inner)
                    ),
                    max_leaves=6,
                ),
            ).map(lambda value: json.dumps(value).encode()),
            max_size=4,
        ).map(b"\n".join),
    )
)
def test_nothing_gives_another_error(data):
    told = []
    try:
        list(examples(read(io.BufferedReader(io.BytesIO(data)), told.append), told.append))
    except LogError as error:
        assert "compression" in error.reason
