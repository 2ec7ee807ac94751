"""Training on demand: whoever has a key may ask for it, and gets no second process."""

import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.support.simulation import call

CALLS = 6


def _trainers(web):
    found = set()
    for process in web.children(recursive=True):
        try:
            if "train_function.run" in process.cmdline():
                found.add(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def test_calls_at_the_same_time_share_one_run(running_app):
    web = psutil.Process(running_app.children[0].process.pid)
    at_once, ever = 0, set()
    with ThreadPoolExecutor(CALLS) as pool:
        calls = [
            pool.submit(call, running_app, "POST", "loops/default/train") for _ in range(CALLS)
        ]
        while not all(each.done() for each in calls):
            now = _trainers(web)
            at_once, ever = max(at_once, len(now)), ever | now
            time.sleep(0.01)
    answers = [each.result() for each in calls]

    assert {status for status, _ in answers} == {200}
    assert at_once == 1
    assert len(ever) < CALLS
