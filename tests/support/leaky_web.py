"""The web process with two faults: it logs a feature, and fails with one in its message."""

import logging
import sys

from devserver.web import main
from rank_function import blueprint
from shared.contract.rank import parse_rank


def parse(body):
    request = parse_rank(body)
    if request.event_id == "log":
        logging.getLogger("leaky").error("ranking %s", request.actions[0].features)
    else:
        raise KeyError(request.actions[0].features)
    return request


if __name__ == "__main__":
    blueprint.parse_rank = parse
    main(int(sys.argv[1]))
