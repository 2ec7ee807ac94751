"""All parsers that are fuzzed, by name."""

from tests.fuzz import bodies, logs, models, stored, text

TARGETS = {
    target.name: target
    for module in (bodies, text, logs, stored, models)
    for target in module.TARGETS
}
