"""The same log, learned by Vowpal Wabbit 9.11.9 and by us, gives the same scores."""

import itertools
import math
import re

import pytest

from shared.learner.arguments import parse
from shared.learner.checkpoint import dumps
from shared.learner.learner import Example, Learner
from tests.learner.logs import decisions, logged, text, unlabelled

vowpalwabbit = pytest.importorskip("vowpalwabbit", reason="the oracle is not installed")

TOLERANCE = 1e-5
DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"
SETTINGS = {
    "the retired service's default": (DEFAULT, 10_000),
    "VW's adaptive default": ("--cb_explore_adf --epsilon 0.2 --cb_type mtr -q ::", 10_000),
    "many collisions": (DEFAULT.replace("0.001", "0.1") + " -b 10", 2_000),
    "many collisions, adaptive": ("--cb_explore_adf -q :: -b 10", 2_000),
    "plain gradient descent": ("--cb_explore_adf --sgd -l 0.05 --quadratic Fj", 3_000),
    "plain gradient descent, decaying": ("--cb_explore_adf --sgd --power_t 0.3 -l 0.1", 3_000),
    "invariant only": ("--cb_explore_adf --invariant -l 0.05 -q Fj -q FU", 3_000),
    "adaptive and invariant": ("--cb_explore_adf --adaptive --invariant -l 0.05 -q Fj", 2_000),
    "another decay": ("--cb_explore_adf --power_t 0.3 -q ::", 3_000),
    "a middling rate, no decay": ("--cb_explore_adf --power_t 0 -l 0.1 -q Fj", 1_000),
    "no constant": ("--cb_explore_adf --noconstant -q :j", 3_000),
    "first of ties only": ("--cb_explore_adf --epsilon 0.3 --first_only -q Fj", 3_000),
    "cubic": ("--cb_explore_adf --cubic FFj -q :: -b 20", 2_000),
    "interactions of three wildcards": ("--cb_explore_adf --interactions ::: -b 22", 300),
    "one fixed namespace between wildcards": ("--cb_explore_adf --interactions :F: -b 22", 500),
    "four namespaces and a repeated one": (
        "--cb_explore_adf --interactions FUij --interactions jFj -q jj",
        1_000,
    ),
    "a large rate, no decay": ("--cb_explore_adf --power_t 0 -l 0.7 -q ::", 3_000),
    "a small rate, full decay": ("--cb_explore_adf --power_t 1 -l 0.05 -q ::", 2_000),
    "sgd with a late clock": ("--cb_explore_adf --sgd --initial_t 50 -l 0.02 -q Fi", 2_000),
    "normalised only": ("--cb_explore_adf --normalized -l 0.02 -q FU", 2_000),
    "normalised and invariant, 24 bits": (
        "--cb_explore_adf --normalized --invariant -l 0.05 -q Fj -b 24",
        1_000,
    ),
    "ten bits, three wildcards": ("--cb_explore_adf --interactions ::: -b 10 -l 0.1", 200),
    "adaptive with a late clock": ("--cb_explore_adf --initial_t 5 --power_t 0.3 -q Fi", 1_000),
    "four wildcards": (DEFAULT.replace("-q ::", "--interactions :::: -b 24"), 25),
    "many kinds of interactions and collisions": (
        "--cb_explore_adf --interactions FUij --interactions jFj --cubic UFi -q jj -q jF -b 10",
        1_000,
    ),
    "a repeated namespace beside wildcards, collisions": (
        "--cb_explore_adf --interactions jFj --cubic UFi -q :: -b 10",
        1_000,
    ),
    "wildcards beside a namespace that sorts before them": (
        "--cb_explore_adf --cubic :2: --interactions 2:j -q :2 -b 10",
        500,
    ),
    "the same wildcards both ways round": (
        "--cb_explore_adf --cubic Fj: --cubic :Fj --cubic jj: -b 10",
        500,
    ),
    "wildcards beside fixed namespaces, collisions": (
        "--cb_explore_adf --cubic jU: -q jF --cubic FUi -q U: -b 10",
        1_000,
    ),
    "a fixed namespace first": ("--cb_explore_adf --cubic U:: -b 22", 300),
    "a fixed namespace last": ("--cb_explore_adf --cubic ::j -b 22", 300),
    "two fixed and a wildcard": ("--cb_explore_adf --interactions jU: --interactions F:i", 300),
    "several interactions after one name": ("--cb_explore_adf -q FU Fj jU ji", 1_000),
    "the same interaction both ways round": ("--cb_explore_adf -q jF -q Fj -q jj", 1_000),
    "features in combinations only": ("--cb_explore_adf --ignore_linear jF -q ::", 1_000),
    "features in combinations only, invariant": (
        "--cb_explore_adf --invariant --power_t 0 -l 0.05 --ignore_linear F -q Fj",
        1_000,
    ),
    "no constant and no exploration": ("--cb_explore_adf --noconstant --epsilon 0 -q UF", 1_000),
    "clipped probabilities": ("--cb_explore_adf --clip_p 0.2 -q Fj", 2_000),
    "adaptive alone": ("--cb_explore_adf --adaptive -l 0.5 -q Fj", 1_000),
    "adaptive alone, default rate": ("--cb_explore_adf --adaptive", 300),
    "four wildcards, adaptive": ("--cb_explore_adf --interactions :::: -b 24", 25),
    "inverse propensity scores": ("--cb_explore_adf --cb_type ips --power_t 0 -l 0.01 -q ::", 500),
    "inverse propensity scores, adaptive": ("--cb_explore_adf --cb_type ips -q Fj", 1_000),
    "inverse propensity scores, clipped": (
        "--cb_explore_adf --cb_type ips --clip_p 0.3 -q Fj -b 12",
        1_000,
    ),
    "direct method": ("--cb_explore_adf --cb_type dm -q ::", 500),
    "doubly robust": ("--cb_explore_adf --cb_type dr --power_t 0 -l 0.01 -q ::", 500),
    "doubly robust, adaptive": ("--cb_explore_adf --cb_type dr -q Fj", 1_000),
    "doubly robust, clipped, collisions": (
        "--cb_explore_adf --cb_type dr --clip_p 0.3 -q Fj -b 11",
        500,
    ),
    "doubly robust with a late clock": ("--cb_explore_adf --cb_type dr --initial_t 5 -q Fj", 500),
    "doubly robust, normalised only": ("--cb_explore_adf --cb_type dr --normalized -l 0.02", 500),
    "bag with a late clock": ("--cb_explore_adf --bag 3 --initial_t 3 -q Fj", 300),
    "doubly robust, cubic": ("--cb_explore_adf --cb_type dr --cubic FUj --power_t 0 -l 0.1", 500),
    "interactions asked for twice": (
        "--cb_explore_adf --leave_duplicate_interactions -q jF -q Fj -q jj --power_t 0 -l 0.1",
        500,
    ),
    "every order of two wildcards": (
        "--cb_explore_adf --leave_duplicate_interactions -q :: -b 22",
        300,
    ),
    "every order of wildcards behind a name": (
        "--cb_explore_adf --leave_duplicate_interactions --cubic j:: -q U: -q :F -b 22",
        100,
    ),
    "every order of three wildcards": (
        "--cb_explore_adf --leave_duplicate_interactions --cubic ::: -b 24 --power_t 0 -l 0.1",
        60,
    ),
    "inverse propensity scores, decaying": (
        "--cb_explore_adf --cb_type ips --invariant --power_t 0.3 -l 0.02",
        500,
    ),
    "doubly robust, decaying": (
        "--cb_explore_adf --cb_type dr --normalized --invariant --power_t 0.3 -l 0.02 -q Fj",
        500,
    ),
    "bag, decaying": ("--cb_explore_adf --bag 3 --invariant --power_t 0.3 -l 0.02 -q Fj", 500),
    "cover, decaying rates": (
        "--cb_explore_adf --cover 3 --epsilon 0.1 --invariant --power_t 0.3 -l 0.02",
        300,
    ),
    "ignored namespaces": ("--cb_explore_adf --ignore j --ignore U -q ::", 1_000),
    "kept namespaces": ("--cb_explore_adf --keep F --keep j -q ::", 1_000),
    "l1": (DEFAULT.replace("0.001", "0.1") + " --l1 1e-5", 2_000),
    "l2": (DEFAULT.replace("0.001", "0.1") + " --l2 1e-4", 2_000),
    "l1 and l2, adaptive": ("--cb_explore_adf --l1 1e-6 --l2 1e-6 -q Fj", 2_000),
    "a range of predictions": (
        "--cb_explore_adf --min_prediction -0.5 --max_prediction 0.1 -q Fj",
        1_000,
    ),
    "a highest prediction": ("--cb_explore_adf --max_prediction 0.1 -q Fj", 1_000),
    "a lowest prediction": ("--cb_explore_adf --min_prediction -0.3 -q Fj", 1_000),
    "marginal costs of ids": ("--cb_explore_adf --marginal i", 2_000),
    "marginal costs of ids, wildcards, collisions": (
        "--cb_explore_adf --marginal i -q :: -b 10",
        1_000,
    ),
    "marginal costs of pairs of many kinds, doubly robust": (
        "--cb_explore_adf --marginal ijU -q FU --cb_type dr --power_t 0 -l 0.1",
        500,
    ),
    "marginal costs from another start, forgetting": (
        "--cb_explore_adf --marginal i --initial_numerator -0.3 --initial_denominator 3 "
        "--decay 0.01 -q Fi",
        1_000,
    ),
    "marginal costs without weights": (
        "--cb_explore_adf --marginal i --unweighted_marginals --sgd -l 0.01",
        1_000,
    ),
    "marginal costs, inverse propensity scores": (
        "--cb_explore_adf --marginal i --cb_type ips -q ii",
        500,
    ),
    "marginal costs, plausible": (
        "--cb_explore_adf --marginal i --regcb --cb_min_cost -1 --cb_max_cost 0.25 -q Fj",
        500,
    ),
    "marginal costs, elimination": (
        "--cb_explore_adf --marginal ij --decay 0.02 --squarecb --elim --cb_min_cost -1 "
        "--gamma_scale 1 -q ::",
        300,
    ),
    "marginal costs, random networks": (
        "--cb_explore_adf --marginal ij --rnd 2 -q Fj --ignore t --ignore r",
        300,
    ),
    "marginal costs, bag": ("--cb_explore_adf --marginal i --bag 3 -q Fi", 300),
    "marginal costs, regularised": (
        "--cb_explore_adf --marginal i --l1 1e-6 --l2 1e-6 --noconstant",
        500,
    ),
    "large action space": (
        "--cb_explore_adf --large_action_space --max_actions 3 --softmax --lambda 3 -q Fj",
        1_000,
    ),
    "large action space, squarecb, wildcards": (
        "--cb_explore_adf --large_action_space --max_actions 4 --squarecb --gamma_scale 3 -q ::",
        1_000,
    ),
    "large action space, epsilon-greedy, collisions": (
        "--cb_explore_adf --large_action_space --max_actions 2 --spanner_c 1.1 --epsilon 0.2 "
        "-q jj -b 10",
        500,
    ),
    "large action space, plain gradient descent": (
        "--cb_explore_adf --large_action_space --max_actions 2 --softmax --sgd -l 0.01 "
        "--noconstant",
        500,
    ),
    "softmax": ("--cb_explore_adf --softmax --lambda 10 -q Fj", 2_000),
    "softmax with a floor": ("--cb_explore_adf --softmax --lambda 50 --epsilon 0.2 -q ::", 1_000),
    "softmax, doubly robust": ("--cb_explore_adf --softmax --cb_type dr -q Fj", 500),
    "squarecb": ("--cb_explore_adf --squarecb -q Fj", 2_000),
    "squarecb with a floor": (
        "--cb_explore_adf --squarecb --gamma_scale 30 --gamma_exponent 0.2 --epsilon 0.3 -q ::",
        1_000,
    ),
    "squarecb with elimination": (
        "--cb_explore_adf --squarecb --elim --cb_min_cost -1 --gamma_scale 0.3 -q Fj",
        2_000,
    ),
    "squarecb with mellow elimination, wildcards": (
        "--cb_explore_adf --squarecb --elim --mellowness 0.02 --cb_min_cost -1 --cb_max_cost 0.25 "
        "--gamma_scale 2 --gamma_exponent 0.1 -q :: -q FU",
        1_000,
    ),
    "squarecb with elimination, plain gradient descent": (
        "--cb_explore_adf --squarecb --elim --cb_min_cost -1 --gamma_scale 1 --sgd -l 0.05",
        1_000,
    ),
    "squarecb with elimination, normalised only": (
        "--cb_explore_adf --squarecb --elim --cb_min_cost -1 --gamma_scale 1 --normalized "
        "--invariant --power_t 0.3 -l 0.05 -q Fj",
        1_000,
    ),
    "squarecb with elimination, adaptive and invariant": (
        "--cb_explore_adf --squarecb --elim --cb_min_cost -1 --gamma_scale 1 --adaptive "
        "--invariant -l 0.05 --initial_t 3",
        1_000,
    ),
    "squarecb with elimination, no decay, collisions": (
        "--cb_explore_adf --squarecb --elim --cb_min_cost -1 --gamma_scale 1 --power_t 0 -b 10 "
        "-q Fj",
        1_000,
    ),
    "confidence bounds": (
        "--cb_explore_adf --regcb --cb_min_cost -1 --mellowness 0.01 -q Fj",
        2_000,
    ),
    "confidence bounds, the default costs": ("--cb_explore_adf --regcb -q Fj", 300),
    "confidence bounds, another decay": (
        "--cb_explore_adf --regcb --cb_min_cost -1 --cb_max_cost 0.25 --mellowness 0.001 "
        "--power_t 0.3 -q ::",
        1_000,
    ),
    "optimistic bounds": (
        "--cb_explore_adf --regcb --regcbopt --cb_min_cost -1 --cb_max_cost 0.25 -q Fj",
        1_000,
    ),
    "optimistic bounds, plain gradient descent": (
        "--cb_explore_adf --regcbopt --cb_min_cost -1 --sgd -l 0.001 --ignore_linear j",
        200,
    ),
    "optimistic bounds, first of ties": (
        "--cb_explore_adf --regcbopt --first_only --cb_min_cost -0.5 --mellowness 0.3 -q Fj",
        500,
    ),
    "optimistic, plain gradient descent with a late clock": (
        "--cb_explore_adf --regcb --regcbopt --cb_min_cost -1 --cb_max_cost 0.25 "
        "--sgd --initial_t 2 -l 0.01 -q :: -q Fj",
        40,
    ),
    "random networks": ("--cb_explore_adf --rnd 3 -q Fj --ignore t --ignore r", 1_000),
    "one random network": ("--cb_explore_adf --rnd 1 --epsilon 0.2 --ignore t --ignore r", 500),
    "random networks, other widths, wildcards": (
        "--cb_explore_adf --rnd 4 --rnd_alpha 0.5 --rnd_invlambda 0.01 -q :: -q FU "
        "--ignore t --ignore r",
        500,
    ),
    "random networks, doubly robust": (
        "--cb_explore_adf --rnd 2 --cb_type dr --cubic FUj --ignore t --ignore r",
        300,
    ),
    "random networks, inverse propensity scores, collisions": (
        "--cb_explore_adf --rnd 2 --cb_type ips -b 10 -q Fj --ignore t --ignore r",
        300,
    ),
    "random networks, plain gradient descent": (
        "--cb_explore_adf --rnd 2 --sgd -l 0.02 --noconstant --ignore t --ignore r",
        500,
    ),
    "first": ("--cb_explore_adf --first 300 --epsilon 0.1 -q Fj", 1_000),
    "first, still exploring": ("--cb_explore_adf --first 2000 -q Fj", 1_000),
    "bag": ("--cb_explore_adf --bag 5 -q Fj", 1_000),
    "bag, greedified": ("--cb_explore_adf --bag 3 --greedify --epsilon 0.2 -q ::", 500),
    "bag, first of ties": ("--cb_explore_adf --bag 4 --first_only --epsilon 0.1 -q Fj", 500),
    "bag, doubly robust": ("--cb_explore_adf --bag 3 --cb_type dr -q Fj", 300),
    "bag, inverse propensity scores": ("--cb_explore_adf --bag 3 --cb_type ips -q Fj", 300),
    "cover": ("--cb_explore_adf --cover 3 --epsilon 0.2 -q Fj", 500),
    "cover, decaying": ("--cb_explore_adf --cover 4 --psi 0.3 -q Fj", 300),
    "cover, chosen actions only": (
        "--cb_explore_adf --cover 3 --nounif --epsilon 0.6 --psi 0.3 -q Fj",
        500,
    ),
    "cover, chosen actions only, decaying": ("--cb_explore_adf --cover 4 --nounif -q Fj", 300),
    "cover, first of ties": ("--cb_explore_adf --cover 2 --first_only --epsilon 0.1", 300),
    "cover, inverse propensity scores": (
        "--cb_explore_adf --cover 3 --cb_type ips --epsilon 0.1 --power_t 0 -l 0.1 -q Fj",
        300,
    ),
    "cover, doubly robust": (
        "--cb_explore_adf --cover 3 --cb_type dr --epsilon 0.1 --power_t 0 -l 0.1 -q Fj",
        300,
    ),
    "synthetic cover": ("--cb_explore_adf --synthcover -q Fj", 1_000),
    "synthetic cover, small": (
        "--cb_explore_adf --synthcover --synthcoversize 7 --synthcoverpsi 0.5 --epsilon 0.1 -q ::",
        1_000,
    ),
    "synthetic cover, inverse propensity scores": (
        "--cb_explore_adf --synthcover --cb_type ips -q Fj",
        500,
    ),
}
DECLARED = {"four wildcards, adaptive": 1e-4}
"""Sums of 40,000 terms: docs/compatibility.md declares it."""

LEARNS_ITS_OWN_WAY = ("--squarecb", "--regcb", "--rnd", "--bag", "--cover")
"""Explorations whose costs plain cost estimation does not give; their probabilities must do."""


NOT_IN_MODEL_FILES = (
    r"--leave_duplicate_interactions|--unweighted_marginals|--(?:initial_\w+|decay) \S+"
)
WHILE_LEARNING = ("--regcb", "--elim", "--rnd", "--large_action_space")
"""Explorations that need what VW's test mode does not load, or has elsewhere."""

EXPLORING = (
    r"--(first_only|greedify|nounif|softmax|squarecb|elim|regcb|regcbopt|synthcover)(?=\s|$)"
    r"|--(epsilon|lambda|gamma_\w+|mellowness|cb_m\w\w_cost) \S+"
    r"|--(max_actions|spanner_c) \S+|--large_action_space"
    r"|--(first|bag|rnd|rnd_\w+|cover|psi|synthcover\w+) \S+"
)


def read_predictions(path):
    """Return one map of action to number for each decision of a VW prediction file."""
    return [
        {int(a): float(v) for a, v in (pair.split(":") for pair in line.split(","))}
        for line in path.read_text().split("\n")
        if line
    ]


def distribution(pmf):
    """Return what VW draws from: --elim may go below zero, --regcbopt sum up to more than one."""
    total = sum(max(probability, 0.0) for probability in pmf.values())
    return {action: max(probability, 0.0) / total for action, probability in pmf.items()}


@pytest.fixture(scope="module", params=SETTINGS)
def learned(request, tmp_path_factory):
    """Both learners after the same log, and 500 contexts that neither has seen."""
    arguments, count = SETTINGS[request.param]
    folder = tmp_path_factory.mktemp("parity")
    log, held_out = folder / "log.dsjson", folder / "held_out.dsjson"
    events = list(logged(count, seed=7))
    log.write_bytes(b"".join(text(event) + b"\n" for event in events))
    asked = map(unlabelled, logged(500, seed=8))
    held_out.write_bytes(b"".join(text(event) + b"\n" for event in asked))
    model = folder / "oracle.model"
    run(f"{arguments} --dsjson -d {log} -f {model}")
    forgotten = " ".join(re.findall(NOT_IN_MODEL_FILES, arguments))
    mode = "" if any(flag in arguments for flag in WHILE_LEARNING) else "-t"
    run(f"-i {model} {forgotten} --dsjson {mode} -d {held_out} -p {folder / 'pmf'}")
    plain = arguments.replace("--cb_explore_adf", "--cb_adf --rank_all")
    plain = re.sub(EXPLORING, "", plain)
    costs_model = folder / "costs.model"
    run(f"{plain} --dsjson -d {log} -f {costs_model}")
    run(f"-i {costs_model} {forgotten} --dsjson -t -d {held_out} -p {folder / 'costs'}")
    ours = Learner(parse(arguments))
    ours.learn_many(
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in events
    )
    policy = ours.policy()
    return (
        ours,
        DECLARED.get(request.param, TOLERANCE),
        [policy.decide_json(text(decision)) for decision in decisions(500, seed=8)],
        read_predictions(folder / "costs"),
        [distribution(pmf) for pmf in read_predictions(folder / "pmf")],
    )


def run(arguments):
    vowpalwabbit.Workspace(f"{arguments} --quiet --no_stdin").finish()


def test_held_out_costs_are_vowpal_wabbits(learned):
    ours, tolerance, decisions_, costs, _ = learned
    if any(exploration in ours.settings.arguments for exploration in LEARNS_ITS_OWN_WAY):
        pytest.skip("this exploration does not learn what plain cost estimation learns")

    assert ours.skipped == 0
    assert len(costs) == len(decisions_) == 500
    worst = max(
        abs(decision.scores[action] - cost) / max(1.0, abs(cost))
        for decision, expected in zip(decisions_, costs, strict=True)
        for action, cost in expected.items()
    )
    assert worst <= tolerance
    spread = [cost for expected in costs for cost in expected.values()]
    assert max(spread) - min(spread) > 1e-3, "the log must teach something"


def test_held_out_probabilities_are_vowpal_wabbits(learned):
    _, _, decisions_, costs, pmfs = learned

    flipped = 0
    for decision, expected, cost in zip(decisions_, pmfs, costs, strict=True):
        same = all(
            math.isclose(decision.probabilities[action], probability, abs_tol=TOLERANCE)
            for action, probability in expected.items()
        )
        # A gap of costs at the edge of the tie tolerance may round to either side.
        flipped += not same
        assert same or near_tie(cost.values())
    assert flipped <= 3


def near_tie(costs):
    best, second = sorted(costs)[:2]
    return second - best <= 2e-4 * (abs(best) + abs(second)) + 1e-6


def test_cutting_the_log_differently_gives_the_same_bytes():
    arguments = parse("--cb_explore_adf -q :: -b 12")
    examples = [
        Example(text(e["c"]), e["_labelIndex"], e["_label_cost"], e["_label_probability"])
        for e in logged(300, seed=3)
    ]
    whole, parts = Learner(arguments), Learner(arguments)
    whole.learn_many(examples)
    for low, high in itertools.pairwise([0, 1, 50, 299, 300]):
        parts.learn_many(examples[low:high])

    assert dumps(whole) == dumps(parts)
