"""From lines of a decision-service log to examples that can be learned."""

from collections.abc import Callable, Iterable, Iterator

from shared.events.decision_log import DecisionLine, LogError
from shared.learner.learner import Example


def examples(
    lines: Iterable[tuple[int, DecisionLine]], on_bad_line: Callable[[LogError], None] | None = None
) -> Iterator[Example]:
    """Yield the examples of lines that are to be learned, as Vowpal Wabbit would learn them.

    Decisions without a cost or not activated and observations without a decision are left out.

    Args:
        lines: Numbers and lines, from ``decision_log.read``.
        on_bad_line: Called for each line that cannot be learned; without it the first one raises.

    Raises:
        LogError: A line is a decision over slots, or does not say which action was chosen.
    """
    for number, line in lines:
        if line.skip_learn is True:
            continue
        try:
            if line.has_slots:
                raise LogError(number, "decisions over several slots cannot be learned yet")
            if line.is_decision and line.cost is not None:
                yield _example(number, line)
        except LogError as exc:
            if on_bad_line is None:
                raise
            on_bad_line(exc)


def _example(number: int, line: DecisionLine) -> Example:
    cost, probability, chosen = line.cost, line.probability, line.chosen
    if cost is None or probability is None or chosen is None:
        raise LogError(number, "the chosen action or its probability is missing")
    if not 0.0 < probability <= 1.0 + 1e-6:
        raise LogError(number, "the probability must be above 0 and at most 1")
    return Example(bytes(line.context), chosen, cost, probability, line.weight)  # type: ignore[arg-type]  # it is a decision
