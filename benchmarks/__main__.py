"""``python -m benchmarks``: every figure, one JSON line each."""

import json

from benchmarks import capacity, insight, learner, service, slots

for module in (learner, slots, insight, service, capacity):
    for figure in module.figures():
        print(json.dumps(figure), flush=True)
