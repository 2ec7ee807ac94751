"""Learn a model from logs of the original: ``python -m tools.learn --help``.

A folder is read in the order of its paths, which in the original's log mirror
(``{time of last edit}/data/YYYY/MM/DD_{number}.json``) is the order of time.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.events.decision_log import LogError, read
from shared.learner import vw_model
from shared.learner.arguments import ArgumentsError, parse
from shared.learner.learner import Example, Learner, SlotsExample
from shared.learner.log_examples import examples
from shared.services.loop_settings import DEFAULT_ARGUMENTS

_SUFFIXES = (".json", ".dsjson", ".json.gz", ".dsjson.gz")
_SKIPPED = "skipped-data"
_SHOWN = 20


class _Progress:
    """What has been read so far."""

    def __init__(self, skip_bad_lines: bool) -> None:
        self.skip_bad_lines = skip_bad_lines
        self.file = Path()
        self.bad_lines = 0
        self.total_cost = 0.0
        self.choices = 0

    def bad_line(self, error: LogError) -> None:
        if not self.skip_bad_lines:
            raise error
        self.bad_lines += 1
        if self.bad_lines <= _SHOWN:
            print(f"{self.file}: {error}", file=sys.stderr)
        if self.bad_lines == _SHOWN + 1:
            print("further bad lines are counted only", file=sys.stderr)

    def examples_of(self, files: Sequence[Path], slots: bool) -> Iterator[Example | SlotsExample]:
        for self.file in files:
            with self.file.open("rb") as stream:
                lines = read(stream, self.bad_line)
                for example in examples(lines, self.bad_line, slots=slots):
                    self.choices += len(example.costs)
                    self.total_cost += sum(example.costs)
                    yield example


def main(words: Sequence[str] | None = None) -> int:
    """Learn as the command line says; return the exit code."""
    options = _options().parse_args(words)
    files = [file for path in options.log for file in _files(path)]
    if not files:
        print("there is no log at these paths", file=sys.stderr)
        return 2
    if not options.model.parent.is_dir():
        print(f"{options.model.parent} is not a folder", file=sys.stderr)
        return 2
    progress = _Progress(options.on_bad_line == "skip")
    try:
        learner = _learner(options.start, options.arguments)
        before = learner.learned
        learner.learn_many(progress.examples_of(files, learner.settings.slots))
        model = vw_model.dumps(learner)
    except (ArgumentsError, vw_model.ModelFileError, OSError) as exc:
        print(f"{exc}", file=sys.stderr)
        return 2
    except LogError as exc:
        print(f"{progress.file}: {exc}; --on-bad-line skip goes on", file=sys.stderr)
        return 1
    options.model.write_bytes(model)
    mean = -progress.total_cost / progress.choices if progress.choices else 0.0
    print(
        f"{learner.learned - before:,} events learned from {len(files):,} files, "
        f"{learner.skipped:,} could not be used, {progress.bad_lines:,} bad lines; "
        f"mean reward {mean:.4f}; {options.model} has {len(model):,} bytes"
    )
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.learn",
        description="Learn a Vowpal Wabbit model file from decision-service logs.",
    )
    parser.add_argument("log", nargs="+", type=Path, help="log files, or folders of them")
    parser.add_argument("--model", type=Path, required=True, help="the model file to write")
    parser.add_argument("--start", type=Path, help="a model file to go on from")
    parser.add_argument(
        "--arguments", help=f"learning settings (default: those of --start, or {DEFAULT_ARGUMENTS})"
    )
    parser.add_argument("--on-bad-line", choices=("stop", "skip"), default="stop")
    return parser


def _learner(start: Path | None, arguments: str | None) -> Learner:
    if start is None:
        return Learner(parse(arguments or DEFAULT_ARGUMENTS))
    return vw_model.loads(start.read_bytes(), parse(arguments) if arguments else None)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and file.name.endswith(_SUFFIXES) and _SKIPPED not in file.parts
    )


if __name__ == "__main__":
    sys.exit(main())
