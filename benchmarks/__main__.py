"""``python -m benchmarks``: every figure, one JSON line each."""

import json

from benchmarks import learner, service

for module in (learner, service):
    for figure in module.figures():
        print(json.dumps(figure), flush=True)
