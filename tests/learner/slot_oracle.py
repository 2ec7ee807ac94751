"""How Vowpal Wabbit decides over slots, and how a learner of ours does, slot by slot."""

import math

from shared.learner.slot_features import split_slots
from shared.learner.slots import decide_slots
from tests.learner.logs import text
from tests.learner.slot_logs import slot_decisions, slot_logged, slots_example
from tests.learner.test_parity import distribution, run


def vw_model(folder, arguments, count=200, seed=7, name="model"):
    """Return the bytes of the model file that it makes of a log over slots."""
    log = write_log(folder / f"{name}.dsjson", slot_logged(count, seed))
    run(f"{arguments} --dsjson -d {log} -f {folder / name}")
    return (folder / name).read_bytes()


def vw_decisions(folder, model, count=200, seed=8):
    """Return, for each event, a map of action to probability per slot, the drawn action first."""
    (folder / "to-predict").write_bytes(model)
    log = write_log(folder / "held-out.dsjson", slot_logged(count, seed))
    run(f"-i {folder / 'to-predict'} -t --dsjson -d {log} -p {folder / 'decisions'}")
    return _read_decisions(folder / "decisions")


def vw_decisions_while_learning(folder, arguments, count=200, seed=7):
    """Return, for each event, a map of action to probability per slot, just before it is learned.

    Some explorations need what the test mode does not load.
    """
    log = write_log(folder / "learned.dsjson", slot_logged(count, seed))
    run(f"{arguments} --dsjson -d {log} -p {folder / 'decisions'}")
    return [list(map(distribution, event)) for event in _read_decisions(folder / "decisions")]


def _read_decisions(path):
    return [
        [
            {int(a): float(p) for a, p in (pair.split(":") for pair in line.split(","))}
            for line in event.split("\n")
        ]
        for event in path.read_text().strip().split("\n\n")
    ]


def write_log(path, events):
    path.write_bytes(b"".join(text(event) + b"\n" for event in events))
    return path


def slots_that_differ(learner, expected, tolerance, seed=8):
    """Return how many slots a learner sees otherwise, and how many there are.

    Each of its draws is made to fall on the action that the oracle drew.
    """
    follower = _Follower(learner.policy())
    different = count = 0
    for decision, drawn in zip(slot_decisions(len(expected), seed), expected, strict=True):
        for found, probabilities in zip(follower.follow(decision, drawn), drawn, strict=True):
            assert set(found.ranking) == set(probabilities)
            count += 1
            different += not all(
                math.isclose(p, probabilities[action], abs_tol=tolerance)
                for action, p in zip(found.ranking, found.probabilities, strict=True)
            )
    return different, count


def slots_that_differ_while_learning(learner, expected, tolerance, seed=7):
    """Return how many slots a learner sees otherwise before it learns them, and how many."""
    examples = map(slots_example, slot_logged(len(expected), seed))
    found = list(learner.decide_and_learn(examples))
    slots = [probabilities for event in expected for probabilities in event]
    different = 0
    for decision, probabilities in zip(found, slots, strict=True):
        pairs = zip(decision.probabilities, sorted(probabilities), strict=True)
        different += any(abs(p - probabilities[action]) > tolerance for p, action in pairs)
    return different, len(slots)


class _Follower:
    """A policy that remembers how it saw the latest slot."""

    def __init__(self, policy):
        self.settings, self.knows_slots, self.policy = policy.settings, policy.knows_slots, policy

    def decide_within(self, context, actions, offered, repeats):
        self.offered = offered
        self.latest = self.policy.decide_within(context, actions, offered, repeats)
        return self.latest

    def follow(self, decision, drawn):
        """Return the decision over slots in which the same actions are drawn."""
        shared, actions, slots = split_slots(text(decision))

        def draw(slot):
            return self.number(next(iter(drawn[slot])))

        return decide_slots(self, shared, list(map(bytes, actions)), slots, draw)

    def number(self, action):
        """Return a number that draws an action."""
        before = 0.0
        for position in self.latest.order:
            probability = self.latest.probabilities[position]
            if self.offered[position] == action:
                return before + probability / 2
            before += probability
        raise AssertionError("the oracle drew what we do not offer")
