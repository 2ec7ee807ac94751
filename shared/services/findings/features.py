"""Findings about features: missing, of no use, or combined too little or too much."""

from collections.abc import Callable, Iterator, Mapping

from shared.services.findings.checkup import FEW, Checkup, FeatureProfile, Finding, Severity, share

MOST_TERMS = 1000
LARGE = 100_000
"""Numbers of this size that differ each time are ids rather than measurements."""

_NAMED = 5


def context_missing(seen: Checkup) -> Iterator[Finding]:
    """Decisions come without context."""
    row = seen.row
    if row.active >= FEW and row.context.without >= 0.5 * row.active:
        everywhere = row.context.without == row.active
        yield Finding(
            Severity.WARNING,
            "contextMissing",
            "Context is missing",
            f"{row.context.without:,} of {row.active:,} decisions of the last day "
            f"({share(row.context.without, row.active)}) had no context features.",
            "Rank is called without contextFeatures, or with empty ones.",
            "Say what is known of the moment: device, time of day, kind of user."
            + (" Without it the loop finds the best action for everybody." if everywhere else ""),
        )


def ids(seen: Checkup) -> Iterator[Finding]:
    """A feature of the context is different nearly every time."""
    yield from _about(
        _context(seen),
        _is_id,
        Severity.WARNING,
        "featureIsId",
        "Features look like ids",
        "have another value in nearly every decision",
        "An id is new to the model each time: it learns about it and never meets it again.",
        "Leave ids out; say what is known about the user or the session instead.",
    )


def timestamps(seen: Checkup) -> Iterator[Finding]:
    """A feature is a point in time."""
    yield from _about(
        _context(seen) | _actions(seen),
        lambda profile: profile.times > 0.9 * profile.texts,
        Severity.WARNING,
        "featureIsTimestamp",
        "Features are points in time",
        "hold dates or times",
        "A point in time never comes again, so nothing can be learned about it.",
        "Send what repeats: hour of the day, weekday, age in days.",
    )


def constants(seen: Checkup) -> Iterator[Finding]:
    """A feature is always the same."""
    yield from _about(
        _context(seen) | _actions(seen),
        lambda profile: profile.texts == 1 and profile.count == profile.of,
        Severity.INFO,
        "featureIsConstant",
        "Features are always the same",
        "have one value in all of them",
        "What never changes cannot make a difference, and makes learning slower.",
        "Leave it out, or find out why it does not change.",
    )


def no_interactions(seen: Checkup) -> Iterator[Finding]:
    """Context cannot make a difference."""
    sample = seen.sample
    if sample.events >= FEW and sample.context and sample.actions and not sample.mixed_terms:
        yield Finding(
            Severity.ERROR,
            "noInteractions",
            "Context cannot make a difference",
            f"None of the {sample.terms:,} terms of an action combines a feature of the context "
            "with one of the action.",
            "The learning settings have no interactions, or name namespaces that do not occur. "
            "The context then adds the same to every action's score.",
            "Put a policy with -q ::, which combines everything with everything, or with the "
            "first letters of your namespaces, such as -q Fj.",
        )


def too_many_interactions(seen: Checkup) -> Iterator[Finding]:
    """Features combine to very many."""
    sample = seen.sample
    if sample.terms > MOST_TERMS:
        yield Finding(
            Severity.WARNING,
            "tooManyInteractions",
            "Features combine to very many",
            f"One action has up to {sample.terms:,} features after combination; the model has "
            f"{1 << seen.learning.bits:,} weights for all of them.",
            "Wildcards of three and more, or very many features of the context.",
            "Combine only what matters, such as -q Fj, and leave out features that do not help.",
        )


def _context(seen: Checkup) -> dict[str, FeatureProfile]:
    """Return the context's features that were seen often enough to say something."""
    return {name: each for name, each in seen.sample.context.items() if each.count >= FEW}


def _actions(seen: Checkup) -> dict[str, FeatureProfile]:
    return {name: each for name, each in seen.sample.actions.items() if each.count >= 2}


def _is_id(profile: FeatureProfile) -> bool:
    """Whether it differs nearly every time, and is a word or a large number."""
    if profile.times or profile.texts <= 0.8 * profile.count:
        return False
    return profile.numbers < 0.5 * profile.texts or profile.largest >= LARGE


def _about(
    profiles: Mapping[str, FeatureProfile],
    concerns: Callable[[FeatureProfile], bool],
    severity: Severity,
    code: str,
    title: str,
    what: str,
    cause: str,
    remedy: str,
) -> Iterator[Finding]:
    """Yield one finding for all features that it concerns."""
    names = sorted(name for name, profile in profiles.items() if concerns(profile))
    if names:
        shown = ", ".join(names[:_NAMED])
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield Finding(
            severity,
            code,
            title,
            f"In the latest decisions, {shown}{more} {what}.",
            cause,
            remedy,
        )


CHECKS = (context_missing, ids, timestamps, constants, no_interactions, too_many_interactions)
