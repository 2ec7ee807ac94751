"""What every policy promises, whatever its exploration asks of the features."""

import random

import pytest

from shared.learner.arguments import parse
from shared.learner.learner import Example, Learner
from tests.learner.logs import decisions, logged, text

POLICIES = {
    "epsilon-greedy": "--epsilon 0.2",
    "softmax": "--softmax --lambda 5 --epsilon 0.1",
    "squarecb": "--squarecb",
    "squarecb with elimination": "--squarecb --elim --cb_min_cost -1 --gamma_scale 1",
    "confidence bounds": "--regcb --cb_min_cost -1 --mellowness 0.01",
    "optimistic bounds": "--regcb --regcbopt --cb_min_cost -2 --cb_max_cost 2 --epsilon 0.1",
    "random networks": "--rnd 2 --epsilon 0.1",
    "bag": "--bag 3",
    "cover": "--cover 2 --epsilon 0.2",
    "cover, chosen actions only": "--cover 2 --nounif --epsilon 0.2",
    "marginal costs of ids": "--marginal i --softmax",
    "large action space": "--large_action_space --max_actions 2 --epsilon 0.3",
}


@pytest.fixture(scope="module", params=POLICIES)
def policy(request):
    learner = Learner(parse(f"--cb_explore_adf {POLICIES[request.param]} -q Fj"))
    learner.learn_many(
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(150, seed=5)
    )
    assert learner.skipped == 0
    return learner.policy()


@pytest.mark.parametrize("arguments", POLICIES.values(), ids=POLICIES.keys())
def test_decisions_on_the_way_are_those_of_the_policy_at_that_moment(arguments):
    examples = [
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(12, seed=5)
    ]
    learner, stepwise = (Learner(parse(f"--cb_explore_adf {arguments} -q Fj")) for _ in range(2))

    found = list(learner.decide_and_learn(examples))

    assert len(found) == len(examples)
    for decision, example in zip(found, examples, strict=True):
        expected = stepwise.policy().decide_json(example.context)
        assert decision.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
        stepwise.learn(example)


def test_a_decision_is_a_distribution_and_comes_again(policy):
    for decision in decisions(40, seed=6):
        found = policy.decide_json(text(decision))

        assert sum(found.probabilities) == pytest.approx(1.0)
        assert min(found.probabilities) >= 0.0
        assert policy.decide_json(text(decision)) == found


def test_another_order_of_the_actions_only_reorders_the_probabilities(policy):
    if policy.settings.large:
        pytest.skip("the order of the actions decides which of those that are alike take part")
    rng = random.Random(1)
    for decision in decisions(40, seed=6):
        order = list(range(len(decision["_multi"])))
        rng.shuffle(order)
        shuffled = {**decision, "_multi": [decision["_multi"][action] for action in order]}

        found = policy.decide_json(text(decision)).probabilities

        again = policy.decide_json(text(shuffled)).probabilities
        assert again == pytest.approx([found[action] for action in order], abs=1e-5)


def test_features_that_were_never_seen_do_no_harm(policy):
    for decision in decisions(20, seed=6):
        actions = [
            {**action, "j": [*action["j"], {f"new {number}": 3.5, "Xtra": {"kind": "unheard of"}}]}
            for number, action in enumerate(decision["_multi"])
        ]

        found = policy.decide_json(text({**decision, "_multi": actions}))

        assert sum(found.probabilities) == pytest.approx(1.0)
        assert all(score == score for score in found.scores)
