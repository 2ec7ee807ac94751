"""One parser's long search: ``python -m tests.fuzz.guided NAME EXECUTIONS``.

Guided by which code runs where atheris is installed (libFuzzer for Python, wheels for Linux), else
the plain search. Prints one JSON line; failures go to ``artifacts/fuzz/NAME/``.
"""

import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests.fuzz.search import Search, keep

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "fuzz"
MEMORY = 3 << 30
"""Bytes of address space; a model of the largest size takes a tenth."""

OF_ARRAYS = [
    f"shared.learner.{name}"
    for name in ("decision_rows", "gradient_descent", "interactions", "large_action_space",
                 "marginals", "novelty", "scorer", "sensitivity")
]  # fmt: skip
"""Not guided by: atheris never frees what comes of comparing arrays, gigabytes in a long search."""

SEED = 1
try:
    import atheris
except ImportError:
    atheris = None


def main(name: str, executions: int) -> int:
    """Search; return whether anything was found, as an exit code."""
    if atheris is None:
        search = _search(name)
        started = time.monotonic()
        search.run(executions, SEED)
        return _report(search, started, None)
    with atheris.instrument_imports(
        include=["shared"], exclude=OF_ARRAYS, enable_loader_override=False
    ):
        search = _search(name)
    _guide(search, executions)
    return 0  # not reached: libFuzzer leaves the process


def _search(name: str) -> Search:
    warnings.simplefilter("error")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from tests.fuzz.targets import TARGETS

    return Search(TARGETS[name])


def _guide(search: Search, executions: int) -> None:
    target = search.target
    started = time.monotonic()
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for index, data in enumerate(target.seeds()):
        (corpus / f"{index:04d}").write_bytes(data)

    def one(data: bytes) -> None:
        search.execute(data)
        if search.executions >= executions:
            code = _report(search, started, len(list(corpus.iterdir())))
            sys.stdout.flush()
            shutil.rmtree(corpus)
            os._exit(code)  # libFuzzer has no other end that tells how it went

    def changed(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if search.taken and rng.random() < 0.4:
            data = rng.choice(search.taken)
        return target.mutate(data, rng, lambda each, _: atheris.Mutate(each, most))[:most]

    options = [f"-seed={SEED}", f"-max_len={target.most}", "-timeout=60", "-rss_limit_mb=0",
               "-verbosity=0", "-mutate_depth=2",
               f"-artifact_prefix={ARTIFACTS}/"]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=changed)
    atheris.Fuzz()


def _report(search: Search, started: float, corpus: int | None) -> int:
    """Write down what was found, and say how much was done."""
    took = time.monotonic() - started
    used = time.process_time()
    for kind, data in search.failures.items():
        path = keep(search.target, data, kind, ARTIFACTS)
        print(f"{search.target.name}: {kind}: {path}", file=sys.stderr)
    print(
        json.dumps(
            {
                "parser": search.target.name,
                "executions": search.executions,
                "accepted": search.accepted,
                "seconds": round(took, 1),
                "cpu_seconds": round(used, 1),
                "corpus": corpus,
                "guided": corpus is not None,
                "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
                "crashes": len(search.failures),
            }
        )
    )
    return int(bool(search.failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
