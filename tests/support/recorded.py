"""A meter that remembers."""

from collections import Counter


class RecordedMeter:
    """Sums and last values of what it was given, by metric and attributes."""

    def __init__(self):
        self.sums = Counter()
        self.last = {}
        self.flushed = 0

    def record(self, metric, value, **attributes):
        assert set(attributes) == set(metric.attributes)
        key = metric.name, *(attributes[name] for name in metric.attributes)
        self.sums[key] += value
        self.last[key] = value

    def flush(self):
        self.flushed += 1
