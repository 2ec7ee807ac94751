"""Model files go both ways between Vowpal Wabbit 9.11.9 and us, and hostile ones are refused."""

import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.learner.arguments import parse
from shared.learner.checkpoint import dumps as checkpoint
from shared.learner.learner import Example, Learner
from shared.learner.vw_model import ModelFileError, dumps, loads
from tests.learner.logs import decisions, logged, text, unlabelled
from tests.learner.test_parity import distribution, read_predictions, run

DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
ARGUMENTS = {
    "default policy": DEFAULT,
    "VW's default": "--cb_explore_adf -q Fj",
    "softmax": "--cb_explore_adf --softmax --lambda 20 -q ::",
    "sgd": "--cb_explore_adf --sgd -l 0.05 --softmax --lambda 10",
    "adaptive": "--cb_explore_adf --adaptive -l 0.05 --softmax --lambda 10",
    "normalised": "--cb_explore_adf --normalized --invariant -l 0.05 --softmax --lambda 10 -b 12",
    "squarecb": "--cb_explore_adf --squarecb --gamma_scale 5 --epsilon 0.1 -q Fj -b 20",
    "first": "--cb_explore_adf --first 600 --epsilon 0.1 -q Fj",
    "first, over": "--cb_explore_adf --first 300 --epsilon 0.1 -q Fj",
    "synthetic cover": "--cb_explore_adf --synthcover --synthcoverpsi 0.3 --epsilon 0.1 -q Fj",
    "inverse propensity scores": "--cb_explore_adf --cb_type ips --softmax --lambda 5 -q Fj",
    "marginal costs of ids": "--cb_explore_adf --softmax --lambda 9 --marginal i -q Fi -b 14",
    "large action space": (
        "--cb_explore_adf --large_action_space --max_actions 3 --spanner_c 1.5 --softmax -q Fj"
    ),
    "everything else": (
        "--cb_explore_adf --softmax --lambda 30 --cubic FUj --interactions FUij -q jj --ignore 2 "
        "--ignore_linear F --noconstant --clip_p 0.1 --power_t 0.3 --initial_t 2 -b 14"
    ),
}
DOUBTFUL = {
    "squarecb with elimination": (
        "--cb_explore_adf --squarecb --elim --gamma_scale 2 --mellowness 0.01 "
        "--cb_min_cost -1 -q Fj"
    ),
    "confidence bounds": "--cb_explore_adf --regcb --cb_min_cost -1 --mellowness 0.01 -q Fj",
    "confidence bounds and marginal costs": (
        "--cb_explore_adf --regcb --marginal i --cb_min_cost -1 --mellowness 0.01 -q Fj"
    ),
    "optimistic bounds": (
        "--cb_explore_adf --regcb --regcbopt --first_only --cb_min_cost -1 --cb_max_cost 0.25 -q Fj"
    ),
}
"""Explorations that need what learning remembers: files for predictions only cannot serve them."""

SEVERAL_WEIGHTS = {
    "bag": "--cb_explore_adf --bag 3 --epsilon 0.1 -q Fj",
    "cover": "--cb_explore_adf --cover 3 --epsilon 0.1 -q Fj",
    "cover, chosen only": "--cb_explore_adf --cover 3 --nounif --epsilon 0.1 -q Fj",
    "cover, decaying": "--cb_explore_adf --cover 2 --cb_type ips -q Fj",
    "random networks": "--cb_explore_adf --rnd 3 --epsilon 0.1 -q Fj --ignore t --ignore r",
    "random networks and marginal costs": (
        "--cb_explore_adf --rnd 2 --marginal i --epsilon 0.1 -q Fj --ignore t --ignore r"
    ),
    "doubly robust": "--cb_explore_adf --cb_type dr --softmax --lambda 5 -q Fj",
}


def examples(count, seed):
    return [
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(count, seed)
    ]


def write_log(path, count, seed):
    path.write_bytes(b"".join(text(event) + b"\n" for event in logged(count, seed)))
    return path


def learned(arguments, count=400, seed=7):
    learner = Learner(parse(arguments))
    learner.learn_many(examples(count, seed))
    return learner


def vw_model(folder, arguments, count=400, seed=7, name="model"):
    log = write_log(folder / f"{name}.dsjson", count, seed)
    run(f"{arguments} --dsjson -d {log} -f {folder / name}")
    return (folder / name).read_bytes()


def vw_probabilities(folder, model):
    """Return what VW predicts; not in its test mode, which does not load what --elim needs."""
    (folder / "to-predict").write_bytes(model)
    log = folder / "held-out.dsjson"
    log.write_bytes(b"".join(text(unlabelled(event)) + b"\n" for event in logged(200, 8)))
    run(f"-i {folder / 'to-predict'} --dsjson -d {log} -p {folder / 'predictions'}")
    return [distribution(pmf) for pmf in read_predictions(folder / "predictions")]


def assert_same_probabilities(learner, expected, different=1):
    """Compare as maps; a near-tie of votes or costs may fall to either side."""
    policy = learner.policy()
    found = [policy.decide_json(text(decision)) for decision in decisions(200, 8)]
    unlike = sum(
        any(abs(decision.probabilities[a] - p) > 2e-5 for a, p in pmf.items())
        for decision, pmf in zip(found, expected, strict=True)
    )
    assert unlike <= different
    assert len({tuple(sorted(pmf.values())) for pmf in expected}) > 1


def over(policies):
    return pytest.mark.parametrize("arguments", policies.values(), ids=policies.keys())


each_policy = over(ARGUMENTS | DOUBTFUL)
every_policy = over(ARGUMENTS | DOUBTFUL | SEVERAL_WEIGHTS)


@every_policy
@pytest.mark.parametrize("resumable", [True, False], ids=["resumable", "for predictions"])
def test_a_file_of_vowpal_wabbit_predicts_the_same_here(tmp_path, arguments, resumable):
    extra = "" if resumable else " --predict_only_model"
    model = vw_model(tmp_path, arguments + extra)

    assert_same_probabilities(loads(model), vw_probabilities(tmp_path, model))


@every_policy
def test_a_file_of_ours_predicts_the_same_in_vowpal_wabbit(tmp_path, arguments):
    learner = learned(arguments)

    found = vw_probabilities(tmp_path, dumps(learner))

    assert_same_probabilities(learner, found)


@over(ARGUMENTS | SEVERAL_WEIGHTS)
def test_a_file_of_ours_for_predictions_does_so_too(tmp_path, arguments):
    learner = learned(arguments)

    found = vw_probabilities(tmp_path, dumps(learner, resumable=False))

    assert_same_probabilities(learner, found)


@over(DOUBTFUL)
def test_a_file_for_predictions_is_refused_where_it_would_not_predict_the_same(arguments):
    with pytest.raises(ModelFileError, match="resumable"):
        dumps(learned(arguments, 20), resumable=False)


def test_a_file_of_ours_says_what_vowpal_wabbits_forget(tmp_path):
    learner = learned("--cb_explore_adf --softmax --leave_duplicate_interactions -q jF -q Fj")

    assert_same_probabilities(learner, vw_probabilities(tmp_path, dumps(learner)))
    assert loads(dumps(learner)).settings.duplicate_interactions


@every_policy
@pytest.mark.parametrize("resumable", [True, False], ids=["resumable", "for predictions"])
def test_learning_goes_on_from_a_file_as_in_vowpal_wabbit(tmp_path, arguments, resumable):
    first = vw_model(tmp_path, arguments + ("" if resumable else " --predict_only_model"))
    (tmp_path / "first").write_bytes(first)
    second = vw_model(tmp_path, f"-i {tmp_path / 'first'}", 300, 9, "second")

    learner = loads(first)
    learner.learn_many(examples(300, 9))

    assert_same_probabilities(learner, vw_probabilities(tmp_path, second))


@every_policy
def test_vowpal_wabbit_goes_on_learning_from_a_file_of_ours(tmp_path, arguments):
    first = dumps(learned(arguments))
    (tmp_path / "first").write_bytes(first)
    second = vw_model(tmp_path, f"-i {tmp_path / 'first'}", 300, 9, "second")

    learner = loads(first)
    learner.learn_many(examples(300, 9))

    assert_same_probabilities(learner, vw_probabilities(tmp_path, second))


@every_policy
def test_a_file_of_ours_comes_back_byte_for_byte(arguments):
    file = dumps(learned(arguments))

    again = loads(file)

    assert dumps(again) == file
    assert checkpoint(loads(dumps(again))) == checkpoint(again)


@each_policy
def test_a_learner_comes_back_whole(arguments):
    learner = learned(arguments)

    again = loads(dumps(learner))

    assert again.learned == learner.learned
    assert (again.regressor.weights == learner.regressor.weights).all()
    for each in (learner, again):
        each.learn_many(examples(50, 9))
    assert dumps(again) == dumps(learner)


def test_a_file_of_ours_says_how_marginal_costs_are_counted(tmp_path):
    learner = learned(
        "--cb_explore_adf --softmax --lambda 9 --marginal i --initial_numerator -2 "
        "--initial_denominator 3 --decay 0.1 --unweighted_marginals"
    )

    assert_same_probabilities(learner, vw_probabilities(tmp_path, dumps(learner)))
    assert loads(dumps(learner)).settings.marginal == learner.settings.marginal


@pytest.mark.parametrize(
    "known",
    [
        struct.pack("<QQdd", 1, 1 << 10, 1.0, 1.0),
        struct.pack("<QQddQdd", 2, 7, 1.0, 1.0, 7, 1.0, 1.0),
        struct.pack("<QQdd", 1, 7, float("nan"), 1.0),
        struct.pack("<QQdd", 1, 7, 1.0, 0.0),
        struct.pack("<Q", 1 << 60),
    ],
)
def test_marginal_costs_that_cannot_be_are_refused(known):
    file = dumps(Learner(parse("--cb_explore_adf --marginal i -b 10")))

    with pytest.raises(ModelFileError):
        loads(rewritten(file, bytes(24) + b"\1", bytes(16) + known + b"\1"))


def test_arguments_come_back_as_the_user_wrote_them(tmp_path):
    read = loads(vw_model(tmp_path, DEFAULT, 20)).settings

    written = parse(DEFAULT)
    assert (read.epsilon, read.learning_rate) == (written.epsilon, written.learning_rate)
    assert (read.interactions, read.power_t) == (written.interactions, written.power_t)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("--cb_explore_adf --graph_feedback", "--graph_feedback"),
        ("--cb_explore_adf --epsilon 0.1 --cb_type sm", "--cb_type"),
        ("--cb_adf", "--cb_explore_adf"),
    ],
)
def test_a_model_that_is_not_supported_is_refused_by_name(tmp_path, arguments, name):
    with pytest.raises(ModelFileError, match=re.escape(name)):
        loads(vw_model(tmp_path, arguments, 20))


@pytest.fixture(scope="module")
def file():
    return dumps(learned("--cb_explore_adf -q Fj -b 10", 20))


def test_a_file_that_is_cut_short_is_refused_wherever_it_is_cut(file):
    refused = 0
    for size in range(len(file)):
        try:
            loads(file[:size])
        except ModelFileError:
            refused += 1
        else:  # Between two weights nothing tells that more were to come.
            assert (len(file) - size) % 16 == 0
    assert refused > 0.93 * len(file)


def rewritten(file, old, new):
    assert file.count(old) == 1
    return file.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"9.11.9\0", b"8.10.9\0"),
        (b"9.11.9\0", b"9.12.0\0"),
        (b"9.11.9\0", b"99999999999999999.9"),
        (b"\x07\0\0\x009.11.9\0", b"\xff\xff\xff\xff9.11.9\0"),
        (b"--power_t 0.5", b"--power_t 0.6"),
    ],
)
def test_a_header_that_lies_is_refused(file, old, new):
    with pytest.raises(ModelFileError):
        loads(rewritten(file, old, new))


@pytest.mark.parametrize(
    "weight",
    [
        struct.pack("<Ifff", 1 << 10, 1, 1, 1),
        struct.pack("<Ifff", 0, 1, 1, 1),
        struct.pack("<Ifff", 1023, float("nan"), 1, 1),
        struct.pack("<Ifff", 1023, 1, -1, 1),
        struct.pack("<Ifff", 1023, 1, 1, float("inf")),
    ],
)
def test_weights_that_cannot_be_are_refused(file, weight):
    with pytest.raises(ModelFileError):
        loads(file[:-16] + weight)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_gives_another_error(file, data):
    start = data.draw(st.integers(0, len(file)))
    end = data.draw(st.integers(start, min(len(file), start + 40)))
    patch = data.draw(st.binary(max_size=40))
    try:
        learner = loads(file[:start] + patch + file[end:])
    except ModelFileError:
        return
    assert len(learner.regressor.weights) <= 1 << 24
    learner.learn_many(examples(2, 1))


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_give_another_error(data):
    with pytest.raises(ModelFileError):
        loads(data)
