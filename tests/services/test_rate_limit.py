"""How often each caller may call."""

from shared.services import rate_limit
from shared.services.rate_limit import RateLimit


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def allowed(limit, caller, calls):
    return sum(limit.wait(caller) == 0 for _ in range(calls))


def test_a_caller_may_make_a_burst_and_then_so_many_a_second():
    clock = Clock()
    limit = RateLimit(2, 5, clock)

    assert allowed(limit, "a", 10) == 5
    assert limit.wait("a") == 0.5
    clock.now += 0.25
    assert limit.wait("a") == 0.25
    clock.now += 10
    assert allowed(limit, "a", 10) == 5
    clock.now += 1
    assert allowed(limit, "a", 10) == 2


def test_callers_do_not_count_for_each_other():
    limit = RateLimit(1, 1, Clock())

    assert [limit.wait(caller) for caller in "abab"] == [0, 0, 1, 1]


def test_who_has_not_called_for_a_while_is_forgotten(monkeypatch):
    monkeypatch.setattr(rate_limit, "FORGET_FROM", 3)
    clock = Clock()
    limit = RateLimit(1, 2, clock)
    for caller in "abcd":
        clock.now += 1
        limit.wait(caller)
    limit.wait("d")

    assert allowed(limit, "d", 5) == 0
    assert len(limit._buckets) <= 3


def test_who_is_at_the_limit_is_not_forgotten(monkeypatch):
    monkeypatch.setattr(rate_limit, "FORGET_FROM", 3)
    limit = RateLimit(1, 1, Clock())
    for caller in "abcdef":
        limit.wait(caller)

    assert [limit.wait(caller) for caller in "abcdef"] == [1] * 6
