"""The same log over slots, learned by Vowpal Wabbit 9.11.9 and by us, gives the same numbers."""

import numpy as np
import pytest

from shared.learner.arguments import parse
from shared.learner.learner import Learner
from shared.learner.vw_model import loads
from tests.learner.slot_logs import slot_logged, slots_example
from tests.learner.slot_oracle import (
    slots_that_differ,
    slots_that_differ_while_learning,
    vw_decisions,
    vw_decisions_while_learning,
    vw_model,
)
from tests.learner.test_parity import TOLERANCE

SETTINGS = {
    "the retired service's default": (
        "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::",
        2_000,
    ),
    "VW's default, slots and actions together": ("--ccb_explore_adf --epsilon 0.1 -q sj", 2_000),
    "every wildcard": ("--ccb_explore_adf --softmax --lambda 5 -q :: --cubic FsU", 200),
    "many collisions": ("--ccb_explore_adf --softmax --lambda 5 -q :: -b 10", 200),
    "three wildcards": (
        "--ccb_explore_adf --keep F --keep s --keep j --interactions ::: -b 20",
        100,
    ),
    "softmax": ("--ccb_explore_adf --softmax --lambda 10 -q sj -q Fs", 500),
    "softmax, inverse propensity scores": (
        "--ccb_explore_adf --softmax --lambda 5 --cb_type ips -q sj",
        200,
    ),
    "softmax, doubly robust": ("--ccb_explore_adf --softmax --lambda 5 --cb_type dr -q sj", 200),
    "softmax, direct method": ("--ccb_explore_adf --softmax --lambda 5 --cb_type dm -q sj", 200),
    "softmax with a floor, clipped": (
        "--ccb_explore_adf --softmax --lambda 30 --epsilon 0.2 --clip_p 0.3 -q :s",
        200,
    ),
    "squarecb": ("--ccb_explore_adf --squarecb --epsilon 0.1 -q sj", 500),
    "first of ties only": ("--ccb_explore_adf --first_only --epsilon 0.3 -q Fj", 200),
    "first": ("--ccb_explore_adf --first 300 --epsilon 0.1 -q sj", 200),
    "first, still exploring": ("--ccb_explore_adf --first 5000 -q sj", 100),
    "bag": ("--ccb_explore_adf --bag 4 --epsilon 0.1 --power_t 0 -l 0.1 -q sj", 200),
    "bag, doubly robust": (
        "--ccb_explore_adf --bag 3 --greedify --cb_type dr --power_t 0 -l 0.1 -q Fs",
        200,
    ),
    "cover": ("--ccb_explore_adf --cover 3 --epsilon 0.1 -q sj", 200),
    "cover, decaying, doubly robust": ("--ccb_explore_adf --cover 2 --cb_type dr -q sj", 200),
    "synthetic cover": ("--ccb_explore_adf --synthcover --epsilon 0.1 -q sj", 200),
    "marginal costs of ids": ("--ccb_explore_adf --softmax --lambda 5 --marginal i -q sj", 200),
    "marginal costs of slots' and actions' features": (
        "--ccb_explore_adf --epsilon 0.1 --marginal sji --decay 0.01 -q sj",
        300,
    ),
    "cover, chosen actions only": ("--ccb_explore_adf --cover 2 --nounif --epsilon 0.3", 100),
    "decaying rates": (
        "--ccb_explore_adf --softmax --lambda 5 --invariant --power_t 0.3 -l 0.02 -q sj",
        200,
    ),
    "plain gradient descent": ("--ccb_explore_adf --softmax --lambda 5 --sgd -l 0.05 -q Fs", 200),
    "no constant": ("--ccb_explore_adf --softmax --lambda 5 --noconstant -q s:", 200),
    "kept namespaces": ("--ccb_explore_adf --softmax --keep s --keep j -q ::", 200),
    "ignored namespaces": ("--ccb_explore_adf --softmax --ignore s --ignore U -q ::", 200),
    "features in combinations only": ("--ccb_explore_adf --softmax --ignore_linear s -q sj", 200),
    "l1 and l2": ("--ccb_explore_adf --softmax --l1 1e-6 --l2 1e-6 -q sj", 200),
}

LOOKING_AT_FEATURES = {
    "plausible costs": "--regcb --cb_min_cost -1 --cb_max_cost 0.25 -q sj -q ::",
    "plausible costs, few of them": (
        "--regcb --cb_min_cost -1 --cb_max_cost 0.25 --mellowness 0.01 -q Fj"
    ),
    "optimistic": "--regcb --regcbopt --cb_min_cost -1 --cb_max_cost 0.25 -q sj --cubic Fsj",
    "optimistic, first of ties only": (
        "--regcb --regcbopt --first_only --cb_min_cost -1 --mellowness 0.3 --cubic sjs"
    ),
    "plausible costs, plain gradient descent": (
        "--regcb --cb_min_cost -1 --cb_max_cost 0.25 --sgd -l 0.01 --ignore_linear s -q sj"
    ),
    "plausible costs, kept namespaces": (
        "--regcb --cb_min_cost -1 --cb_max_cost 0.25 --keep s --keep j --noconstant -q sj"
    ),
    "elimination": "--squarecb --elim --cb_min_cost -1 --cb_max_cost 0.25 --gamma_scale 1 -q sj",
    "random networks": "--rnd 3 -q sj -q :: --ignore t --ignore r",
    "marginal costs, elimination": (
        "--marginal sji --squarecb --elim --cb_min_cost -1 --cb_max_cost 0.25 --gamma_scale 1"
    ),
    "marginal costs, random networks": "--marginal ij --rnd 2 -q sj --ignore t --ignore r",
    "random networks, doubly robust": (
        "--rnd 2 --cb_type dr --cubic Fsj --epsilon 0.1 --ignore t --ignore r"
    ),
    "random networks, inverse propensity scores": (
        "--rnd 2 --cb_type ips -b 10 -q Fs --ignore_linear s --ignore t --ignore r"
    ),
}


@pytest.mark.parametrize("name", LOOKING_AT_FEATURES)
def test_explorations_that_look_at_features_are_vowpal_wabbits(tmp_path, name):
    arguments = f"--ccb_explore_adf {LOOKING_AT_FEATURES[name]}"
    ours = Learner(parse(arguments))

    expected = vw_decisions_while_learning(tmp_path, arguments)
    different, count = slots_that_differ_while_learning(ours, expected, TOLERANCE)

    assert count > 400
    assert different == 0
    told_apart = [len(set(slot.values())) > 1 for event in expected for slot in event]
    assert sum(told_apart) > 20, "the rule must tell actions apart"
    learned = loads(vw_model(tmp_path, arguments)).regressor.weights
    assert np.max(np.abs(ours.regressor.weights - learned)) <= TOLERANCE


@pytest.fixture(scope="module", params=SETTINGS)
def learned(request, tmp_path_factory):
    """Our learner, Vowpal Wabbit's model, and its decisions about 200 events that are new to it."""
    arguments, count = SETTINGS[request.param]
    folder = tmp_path_factory.mktemp("parity")
    model = vw_model(folder, arguments, count)
    ours = Learner(parse(arguments))
    ours.learn_many(map(slots_example, slot_logged(count, seed=7)))
    return ours, loads(model), vw_decisions(folder, model)


def test_weights_are_vowpal_wabbits(learned):
    ours, theirs, _ = learned

    assert ours.skipped == 0
    found, expected = ours.regressor.weights, theirs.regressor.weights
    assert np.max(np.abs(found - expected) / np.maximum(1.0, np.abs(expected))) <= TOLERANCE
    assert np.abs(expected).max() > 1e-3, "the log must teach something"


def test_probabilities_of_every_slot_are_vowpal_wabbits(learned):
    ours, _, decisions = learned

    different, count = slots_that_differ(ours, decisions, TOLERANCE)

    assert count > 400
    assert different <= 3, "more than costs at the edge of a tie, which may round to either side"
