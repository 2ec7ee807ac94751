"""Vowpal Wabbit's model files: what users of the original exported, and what they can take away.

Format: ``parse_regressor.cc`` (header), ``save_load`` of gd, cb_adf and the explorations. All
numbers are little endian. The header's text and numbers are covered by a checksum; then each
layer's own state follows, the topmost first, and at last the weights, to the end of the file:

=============  ====================================================================
Header         version, id, ``m``, lowest and highest label, bits, lda, n-grams, skips, options
Slots          1 if slots are told apart, else 0, in a file for decisions over slots
Exploration    events (squarecb, regcb, cover), left ones (first), range of costs (synthcover)
Costs          events and actions learned
Marginals      how many, and slot (``uint64``), total and count (``float64``) of each, if any
Regressor      1 and the state of learning, or 0 in a file for predictions only
Weights        slot (``uint32``), W, and G and N where they are in use (``float32``)
=============  ====================================================================
"""

import math
import re
import shlex
import struct
from collections.abc import Iterator
from typing import Any

import mmh3
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import ArgumentsError, LearningSettings, MarginalSettings, parse
from shared.learner.evidence import evidence_of
from shared.learner.exploration import (
    Bag,
    CostRange,
    Cover,
    EpsilonGreedy,
    ExploreFirst,
    RandomNetworks,
    RegCB,
    Softmax,
    SquareCB,
    SyntheticCover,
)
from shared.learner.gradient_descent import Floats
from shared.learner.learner import Learner
from shared.learner.marginals import KNOWN, Marginals
from shared.learner.sensitivity import Sensitivity

VERSION = "9.11.9"
OLDEST = (8, 11)
NEWEST = (9, 11)
_REGULARISED = (9, 0)
"""From this version on the state of learning ends with those of ``--l1`` and ``--l2``."""

_LONGEST_TEXT = 16384
_MOST_SUM = 1e30
"""Sums of real logs stay far below; from larger ones, learning on would soon leave float32."""

_INTERNAL = {"--cb_adf": 0, "--cb_sample": 0, "--csoaa_rank": 0, "--rank_all": 0,
             "--no_predict": 0, "--csoaa_ldf": 1, "--hash_seed": 1, "--random_seed": 1,
             "--link": 1}  # fmt: skip
"""Options that Vowpal Wabbit adds by itself, with the number of their values."""

_STATE = struct.Struct("<fdddd fff ddd QQ dd Q")
_REGULARISATION = struct.Struct("<dd")


class ModelFileError(ValueError):
    """The bytes are not a model file that can be used, or a model cannot be written as one."""


def loads(data: bytes, settings: LearningSettings | None = None) -> Learner:
    """Return a learner that predicts, and goes on learning, as Vowpal Wabbit with this file.

    With ``settings`` it learns and explores by these instead of the file's; both must mean the
    same by a weight.

    The range of predictions, ``--l1`` and ``--l2`` are not part of the format. Neither are, for
    all but the first of a feature's weights (``--bag``, ``--cb_type dr``), the mean sizes of
    examples and the numbers of events and actions: as in Vowpal Wabbit they start anew.

    Raises:
        ModelFileError: The file is damaged, cut short, of another kind or version, or asks for
            something that this learner does not do. Nothing larger than the data and the weights
            of the stated size (at most 2^24) is allocated.
    """
    file = _Reader(data)
    version = _version(file)
    file.checksum = 0
    file.text("the id")
    if file.take(1) != b"m":
        raise ModelFileError("not a model file of Vowpal Wabbit")
    lowest, highest = file.numbers("<ff", one_by_one=True)
    bits, lda, n_grams, skips = file.numbers("<IIII", one_by_one=True)
    if n_grams or skips or lda:
        raise ModelFileError("models with n-grams, skips or lda are not supported")
    options = file.text("the options")
    expected = file.checksum
    if file.numbers("<II") != (4, expected):  # its size, and itself
        raise ModelFileError("the model file is damaged: its checksum differs")
    arguments, seed = _arguments(options, bits)
    return _read_body(file, version, arguments, seed, _range(lowest, highest), settings)


def dumps(learner: Learner, *, resumable: bool = True) -> bytes:
    """Return a model file that Vowpal Wabbit 9.11 loads. The same learner gives the same bytes.

    Args:
        learner: What to write.
        resumable: Whether learning can go on from the file; if not, it is for predictions only.

    Raises:
        ModelFileError: The arguments cannot be written as options, or their exploration needs more
            than a file for predictions only holds.
    """
    settings, regressor = learner.settings, learner.regressor
    if not resumable and isinstance(evidence_of(regressor), Sensitivity):
        raise ModelFileError("--regcb and --elim need a resumable file: it holds what they weigh")
    options = _options(learner)
    header = [
        *_text(""),
        b"m",
        struct.pack("<f", regressor.lowest),
        struct.pack("<f", regressor.highest),
        *(struct.pack("<I", number) for number in (settings.bits, 0, 0, 0)),
        *_text(options),
    ]
    checksum = 0
    for part in header:
        checksum = mmh3.hash(part, checksum, signed=False)
    state = b"\0"
    if resumable:
        state = b"\1" + _STATE.pack(
            settings.initial_t, regressor.norms[0], regressor.time, 0.0, 0.0,
            1.0, regressor.lowest, regressor.highest,
            learner.learned, 0.0, 0.0,
            learner.learned, 0,
            regressor.total_weights[0], learner.learned,
            0,
        ) + _REGULARISATION.pack(0.0, 1.0)  # fmt: skip
    return b"".join(
        (
            *_text(VERSION),
            *header,
            struct.pack("<II", 4, checksum),
            struct.pack("<?", learner.knows_slots) if settings.slots else b"",
            _exploration_state(learner),
            struct.pack("<QQ", learner.estimates[0].events, learner.estimates[0].actions),
            _marginals(learner),
            state,
            _weights(learner, resumable),
        )
    )


class _Reader:
    """Takes bytes from the front, and never more than there are."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.checksum = 0

    def take(self, size: int) -> bytes:
        if size > len(self._data):
            raise ModelFileError("the model file is cut short")
        taken = bytes(self._data[:size])
        self._data = self._data[size:]
        self.checksum = mmh3.hash(taken, self.checksum, signed=False)
        return taken

    def numbers(self, form: str, *, one_by_one: bool = False) -> tuple[Any, ...]:
        """Return numbers; the header's checksum wants them taken one by one."""
        if one_by_one:
            return tuple(self.numbers(f"<{kind}")[0] for kind in form[1:])
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def text(self, what: str, most: int = _LONGEST_TEXT) -> str:
        (size,) = struct.unpack("<I", self.take(4))
        if size > most:
            raise ModelFileError(f"this is not a model file, or {what} in it is too long")
        try:
            return self.take(size).rstrip(b"\0").decode()
        except UnicodeDecodeError as exc:
            raise ModelFileError(f"{what} in the model file is not text") from exc

    def rest(self) -> bytes:
        return bytes(self._data)


def _version(file: _Reader) -> tuple[int, int]:
    text = file.text("the version", most=64)
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})", text, re.ASCII)
    if not found:
        raise ModelFileError("not a model file of Vowpal Wabbit")
    version = int(found[1]), int(found[2])
    if not OLDEST <= version <= NEWEST:
        raise ModelFileError(f"model files of version {text} are not supported")
    return version


def _range(lowest: float, highest: float) -> tuple[float, float]:
    if not (math.isfinite(lowest) and math.isfinite(highest) and lowest <= highest):
        raise ModelFileError("the range of labels in the model file is not a range")
    return lowest, highest


def _arguments(options: str, bits: int) -> tuple[str, int]:
    """Return the learning arguments among a file's options, and the state of its randomness."""
    kept: list[str] = []
    seed = 0
    try:
        words = iter(shlex.split(options))
    except ValueError as exc:
        raise ModelFileError(f"the options in the model file cannot be read: {exc}") from exc
    for word in words:
        name, equals, value = word.partition("=")
        if name not in _INTERNAL:
            kept.append(_shortened(word))
            continue
        value = value if equals or not _INTERNAL[name] else next(words, "")
        if name == "--random_seed":
            if not re.fullmatch(r"\d{1,20}", value, re.ASCII) or int(value) >= 1 << 64:
                raise ModelFileError("--random_seed in the model file is not a number")
            seed = int(value)
        elif (name, value) not in _USUAL:
            raise ModelFileError(f"{name} {value[:40]} in the model file is not supported")
    if bits != 18:
        kept += ["-b", str(bits)]
    return shlex.join(kept), seed


_USUAL = {
    ("--cb_adf", ""), ("--cb_sample", ""), ("--csoaa_rank", ""), ("--rank_all", ""),
    ("--no_predict", ""), ("--csoaa_ldf", "multiline"), ("--csoaa_ldf", "m"), ("--hash_seed", "0"),
    ("--link", "identity"),
}  # fmt: skip


def _shortened(word: str) -> str:
    """Return a float32 that was written to 15 digits as the user wrote it."""
    if re.fullmatch(r"-?\d*\.\d{6,}(e[+-]?\d+)?", word, re.ASCII):
        return str(np.float32(word))
    return word


def _read_body(
    file: _Reader,
    version: tuple[int, int],
    arguments: str,
    seed: int,
    label_range: tuple[float, float],
    wanted: LearningSettings | None,
) -> Learner:
    try:
        settings = parse(arguments)
    except ArgumentsError as exc:
        raise ModelFileError(f"the model's arguments cannot be used: {exc}") from exc
    knows_slots = settings.slots and file.take(1) != b"\0"
    explored = file.numbers(_exploration_form(settings))
    events, actions = file.numbers("<QQ")
    known = file.take(KNOWN.itemsize * file.numbers("<Q")[0]) if settings.marginal else b""
    resumable = file.take(1) != b"\0"
    state = file.numbers(_STATE.format) if resumable else ()
    if resumable and version >= _REGULARISED:
        file.numbers(_REGULARISATION.format)
    if resumable and state[0] != settings.initial_t:
        settings = _with_initial_t(arguments, float(state[0]))
    if wanted is not None:
        _require_same_weights(settings, wanted)
        settings = wanted
    learner = Learner(settings)
    regressor = learner.regressor
    regressor.lowest, regressor.highest = label_range
    learner.sampling.state = seed
    if max(events, actions) >= 1 << 53:
        raise ModelFileError("the counts in the model file are not counts")
    learner.estimates[0].events, learner.estimates[0].actions = int(events), int(actions)
    learner.choices = int(events)
    if resumable:
        _read_state(learner, state)
    _read_exploration(learner, explored)
    learner.learned = learner.learned or learner.choices
    learner.choices = learner.choices or learner.learned
    learner.knows_slots = knows_slots
    if learner.marginals:
        _read_marginals(learner.marginals, np.frombuffer(known, KNOWN))
    _read_weights(learner, file.rest(), resumable)
    return learner


_OF_A_WEIGHT = ("bits", "cost_type", "constant", "adaptive", "normalized", "slots",
                "ignore_linear", "ignore", "keep", "duplicate_interactions")  # fmt: skip


def _require_same_weights(found: LearningSettings, wanted: LearningSettings) -> None:
    """Refuse settings under which a file's weights would mean something else."""
    different = [name for name in _OF_A_WEIGHT if getattr(found, name) != getattr(wanted, name)]
    if sorted(found.interactions) != sorted(wanted.interactions):
        different.append("interactions")
    if type(found.exploration) is not type(wanted.exploration) or found.stride != wanted.stride:
        different.append("exploration")
    if (found.marginal and found.marginal.namespaces) != (
        wanted.marginal and wanted.marginal.namespaces
    ):
        different.append("marginal")
    if different:
        raise ModelFileError(
            f"the model was learned under other settings ({', '.join(different)}); "
            f"put the learning settings '{found.arguments}' first"
        )


def _with_initial_t(arguments: str, initial_t: float) -> LearningSettings:
    try:
        return parse(f"{arguments} --initial_t {np.float32(initial_t)}")
    except ArgumentsError as exc:
        raise ModelFileError(f"the model's state cannot be used: {exc}") from exc


def _read_state(learner: Learner, state: tuple[Any, ...]) -> None:
    norm, time, total_weight, examples = (float(state[at]) for at in (1, 2, 13, 11))
    sums = norm, time, total_weight
    if not (all(0.0 <= each <= _MOST_SUM for each in sums) and examples < 1 << 53):
        raise ModelFileError("the state of learning in the model file is not usable")
    regressor = learner.regressor
    regressor.norms[0], regressor.time, regressor.total_weights[0] = sums
    learner.learned = int(examples)


def _read_marginals(marginals: Marginals, table: NDArray[np.void]) -> None:
    try:
        marginals.load(table)
    except ValueError as exc:
        raise ModelFileError(f"the model file's {exc}") from exc


def _marginals(learner: Learner) -> bytes:
    if not learner.marginals:
        return b""
    table = learner.marginals.table()
    return struct.pack("<Q", len(table)) + table.tobytes()


def _read_weights(learner: Learner, data: bytes, resumable: bool) -> None:
    arrays = _arrays(learner, resumable)
    record = np.dtype([("slot", "<u4"), ("numbers", "<f4", (len(arrays),))])
    if len(data) % record.itemsize:
        raise ModelFileError("the model file is cut short")
    found = np.frombuffer(data, record)
    slots, numbers = found["slot"].astype(np.int64), found["numbers"]
    if len(slots) and (slots[-1] >= len(arrays[0]) or (np.diff(slots) <= 0).any()):
        raise ModelFileError("the model file's slots are out of order or out of range")
    if not np.isfinite(numbers).all() or (numbers[:, 1:] < 0).any():
        raise ModelFileError("the model file holds numbers that learning cannot give")
    for column, array in enumerate(arrays):
        array.fill(0.0)  # also where a new learner begins with --initial_t
        array[slots] = numbers[:, column]


def _arrays(learner: Learner, resumable: bool) -> list[Floats]:
    """Return what a weight's record holds: W, then what learning needs of G and N."""
    settings, regressor = learner.settings, learner.regressor
    arrays = [regressor.weights]
    if resumable and settings.adaptive:
        arrays.append(regressor.gradients)
    if resumable and settings.normalized:
        arrays.append(regressor.scales)
    return arrays


def _weights(learner: Learner, resumable: bool) -> bytes:
    arrays = [learner.regressor.effective_weights(), *_arrays(learner, resumable)[1:]]
    used = np.flatnonzero(np.logical_or.reduce([array != 0 for array in arrays]))
    record = np.dtype([("slot", "<u4"), ("numbers", "<f4", (len(arrays),))])
    found = np.empty(len(used), record)
    found["slot"] = used
    for column, array in enumerate(arrays):
        found["numbers"][:, column] = array[used]
    return found.tobytes()


def _exploration_form(settings: LearningSettings) -> str:
    match settings.exploration:
        case SquareCB() | RegCB() | ExploreFirst() | Cover():
            return "<Q"
        case SyntheticCover():
            return "<ff"
    return "<"


def _read_exploration(learner: Learner, found: tuple[Any, ...]) -> None:
    match learner.settings.exploration:
        case SquareCB() | RegCB() | Cover():
            learner.choices = int(found[0])
        case ExploreFirst(events=events) if found[0]:
            learner.choices = max(0, events - int(found[0]))
        case ExploreFirst(events=events):
            learner.choices = max(events, learner.choices)
        case SyntheticCover():
            learner.lowest, learner.highest = _range(min(found[0], 0.0), max(found[1], 0.0))
    if learner.choices >= 1 << 53:
        raise ModelFileError("the counts in the model file are not counts")


def _exploration_state(learner: Learner) -> bytes:
    match learner.settings.exploration:
        case SquareCB() | RegCB() | Cover():
            return struct.pack("<Q", learner.choices)
        case ExploreFirst(events=events):
            return struct.pack("<Q", max(0, events - learner.choices))
        case SyntheticCover():
            return struct.pack("<ff", learner.lowest, learner.highest)
    return b""


def _text(text: str) -> tuple[bytes, bytes]:
    data = text.encode() + b"\0"
    return struct.pack("<I", len(data)), data


def _options(learner: Learner) -> str:
    """Return what Vowpal Wabbit needs to know to use the model."""
    settings = learner.settings
    words = ["--cb_adf", "--cb_explore_adf", "--cb_type", settings.cost_type]
    if settings.slots:
        words += ["--cb_sample", "--ccb_explore_adf"]
    words += ["--csoaa_ldf", "multiline", "--csoaa_rank", *_exploration_options(learner)]
    plain = parse("--cb_explore_adf")
    if not (isinstance(settings.exploration, Cover) and settings.exploration.decays):
        words += ["--epsilon", _number(settings.epsilon)]
    words += ["--power_t", _number(settings.power_t)]
    words += ["--learning_rate", _number(settings.learning_rate)]
    if settings.clip_p:
        words += ["--clip_p", _number(settings.clip_p)]
    kinds = ("adaptive", "normalized", "invariant")
    if any(getattr(settings, kind) != getattr(plain, kind) for kind in kinds):
        words += [f"--{kind}" for kind in kinds if getattr(settings, kind)] or ["--sgd"]
    if not settings.constant:
        words.append("--noconstant")
    for namespaces in settings.interactions:
        words += ["--interactions", _namespaces(namespaces)]
    if settings.duplicate_interactions:
        words.append("--leave_duplicate_interactions")
    if settings.large:
        words += ["--large_action_space", "--max_actions", str(settings.large.max_actions)]
        words += ["--spanner_c", _number(settings.large.spanner_c)]
    if settings.marginal:
        words += _marginal_options(settings.marginal)
    for name in ("ignore_linear", "ignore", "keep"):
        if getattr(settings, name):
            words += [f"--{name}", _namespaces(getattr(settings, name))]
    return " " + " ".join(words)


def _exploration_options(learner: Learner) -> Iterator[str]:
    exploration = learner.settings.exploration
    match exploration:
        case Softmax():
            yield from ("--softmax", "--lambda", _number(exploration.inverse_temperature))
        case SquareCB():
            yield from ("--squarecb", "--gamma_scale", _number(exploration.gamma_scale))
            yield from ("--gamma_exponent", _number(exploration.gamma_exponent))
            if exploration.costs is not None:
                yield from ("--elim", *_cost_options(exploration.costs))
        case RegCB():
            yield from ("--regcb", *_cost_options(exploration.costs))
            if exploration.optimistic:
                yield "--regcbopt"
        case RandomNetworks():
            yield from ("--rnd", str(exploration.networks))
            yield from ("--rnd_alpha", _number(exploration.alpha))
            yield from ("--rnd_invlambda", _number(exploration.inverse_lambda))
            yield from ("--random_seed", str(learner.sampling.state))
        case ExploreFirst():
            yield from ("--first", str(exploration.events))
        case Bag():
            yield from ("--bag", str(exploration.members))
            yield from ("--random_seed", str(learner.sampling.state))
            if exploration.greedify:
                yield "--greedify"
        case Cover():
            yield from ("--cover", str(exploration.members), "--psi", _number(exploration.psi))
            if exploration.chosen_only:
                yield "--nounif"
        case SyntheticCover():
            yield from ("--synthcover", "--synthcoversize", str(exploration.size))
            yield from ("--synthcoverpsi", _number(exploration.bonus))
    if isinstance(exploration, EpsilonGreedy | Bag | Cover | RegCB) and exploration.first_only:
        yield "--first_only"


def _marginal_options(marginal: MarginalSettings) -> Iterator[str]:
    yield from ("--marginal", _namespaces(marginal.namespaces))
    yield from ("--initial_numerator", _number(marginal.initial_numerator))
    yield from ("--initial_denominator", _number(marginal.initial_denominator))
    if marginal.decay:
        yield from ("--decay", _number(marginal.decay))
    if marginal.unweighted:
        yield "--unweighted_marginals"


def _cost_options(costs: CostRange) -> Iterator[str]:
    yield from ("--mellowness", _number(costs.mellowness))
    yield from ("--cb_min_cost", _number(costs.lowest), "--cb_max_cost", _number(costs.highest))


def _number(number: float) -> str:
    """Return the shortest text that Vowpal Wabbit reads as the same float32."""
    return str(np.float32(number))


def _namespaces(namespaces: bytes) -> str:
    text = namespaces.decode()
    if set(text) & set(" '\"\\="):
        raise ModelFileError(f"the namespaces {text!r} cannot be written as an option")
    return text
