"""A learner as bytes: everything needed to go on learning, to the bit.

Layout: magic; length of a JSON header (``uint32``, little endian as all numbers); the header;
number of used slots; their indices (``uint32``) and W, G, N (``float32`` each); under
``--marginal`` the slots of known ids (``uint64``) with both sums of each (``float64``); SHA-256 of
all of that. The same learner always gives the same bytes.
"""

import hashlib
import struct
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import ArgumentsError, parse
from shared.learner.cost_estimates import MultiTaskRegression
from shared.learner.learner import Learner
from shared.learner.marginals import KNOWN, Marginals

MAGIC = b"OPMODEL1"
_MAX_HEADER = 64 * 1024
_DIGEST = hashlib.sha256().digest_size


class CheckpointError(ValueError):
    """The bytes are not a whole, undamaged checkpoint."""


_MOST = float(np.finfo(np.float32).max)
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Positive = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
_Finite = Annotated[float, msgspec.Meta(ge=-_MOST, le=_MOST)]


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    arguments: str
    learned: _Count
    skipped: _Count
    events: list[_Count]
    actions: list[_Count]
    norms: list[_Positive]
    total_weights: list[_Positive]
    time: _Positive
    lowest: _Finite
    highest: _Finite
    gravity: _Positive = 0.0
    contraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    lowest_cost: Annotated[float, msgspec.Meta(ge=-_MOST, le=0)] = 0.0
    highest_cost: _Positive = 0.0
    sampling: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{1,16}$")] = "0"
    choices: _Count | None = None
    knows_slots: bool = False
    marginals: _Count = 0


def dumps(learner: Learner) -> bytes:
    """Return a learner's bytes."""
    regressor = learner.regressor
    used = regressor.weights != 0
    used |= regressor.gradients != np.float32(learner.settings.initial_t)
    used |= regressor.scales != 0
    slots = np.flatnonzero(used)
    marginals = learner.marginals.table() if learner.marginals else np.zeros(0, KNOWN)
    header = msgspec.json.encode(
        _Header(
            learner.settings.arguments,
            learner.learned,
            learner.skipped,
            [estimate.events for estimate in learner.estimates],
            [estimate.actions for estimate in learner.estimates],
            regressor.norms,
            regressor.total_weights,
            regressor.time,
            regressor.lowest,
            regressor.highest,
            regressor.gravity,
            regressor.contraction,
            learner.lowest,
            learner.highest,
            f"{learner.sampling.state:x}",
            learner.choices,
            learner.knows_slots,
            len(marginals),
        )
    )
    parts = [
        MAGIC,
        struct.pack("<I", len(header)),
        header,
        struct.pack("<I", len(slots)),
        slots.astype("<u4").tobytes(),
    ]
    for array in (regressor.weights, regressor.gradients, regressor.scales):
        parts.append(array[slots].astype("<f4").tobytes())
    parts.append(marginals.tobytes())
    body = b"".join(parts)
    return body + hashlib.sha256(body).digest()


def loads(data: bytes) -> Learner:
    """Return the learner of the bytes.

    Raises:
        CheckpointError: They are damaged, cut short or of another kind. Nothing larger than the
            data and the weights of the stated size (at most 2^24) is allocated.
    """
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if not data.startswith(MAGIC):
        raise CheckpointError("not a model of ours")
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError("the model is damaged: its checksum differs")
    try:
        return _loads(body)
    except (struct.error, msgspec.DecodeError, UnicodeDecodeError, ArgumentsError) as exc:
        raise CheckpointError(f"the model cannot be read: {exc}") from exc


def _loads(body: bytes) -> Learner:
    position = len(MAGIC) + 4
    (length,) = struct.unpack_from("<I", body, len(MAGIC))
    if length > _MAX_HEADER:
        raise CheckpointError("the model's header is too long")
    header = msgspec.json.decode(body[position : position + length], type=_Header)
    position += length
    (count,) = struct.unpack_from("<I", body, position)
    position += 4
    end = position + 16 * count
    if len(body) != end + header.marginals * KNOWN.itemsize:
        raise CheckpointError("the model's length differs from what it states")
    slots = np.frombuffer(body, "<u4", count, position)
    learner = Learner(parse(header.arguments))
    regressor = learner.regressor
    if count and (
        int(slots[-1]) >= len(regressor.weights) or (np.diff(slots.astype(np.int64)) <= 0).any()
    ):
        raise CheckpointError("the model's slots are out of order or out of range")
    for index, array in enumerate((regressor.weights, regressor.gradients, regressor.scales)):
        found = np.frombuffer(body, "<f4", count, position + 4 * count * (index + 1))
        if not np.isfinite(found).all() or (index and (found < 0).any()):
            raise CheckpointError("the model holds numbers that learning cannot give")
        array[slots] = found
    learner.learned, learner.skipped = header.learned, header.skipped
    learner.choices = header.learned if header.choices is None else header.choices
    learner.knows_slots = header.knows_slots
    if {len(header.norms), len(header.total_weights)} != {learner.settings.width} or {
        len(header.events),
        len(header.actions),
    } != {len(learner.estimates)}:
        raise CheckpointError("the model's header does not fit its arguments")
    learner.estimates = list(map(MultiTaskRegression, header.events, header.actions))
    regressor.norms, regressor.total_weights = header.norms, header.total_weights
    regressor.time = header.time
    regressor.lowest, regressor.highest = header.lowest, header.highest
    regressor.gravity, regressor.contraction = header.gravity, header.contraction
    learner.lowest, learner.highest = header.lowest_cost, header.highest_cost
    learner.sampling.state = int(header.sampling, 16)
    if learner.marginals:
        _read_marginals(learner.marginals, np.frombuffer(body, KNOWN, offset=end))
    elif header.marginals:
        raise CheckpointError("the model knows ids that its arguments do not ask for")
    return learner


def _read_marginals(marginals: Marginals, table: NDArray[np.void]) -> None:
    try:
        marginals.load(table)
    except ValueError as exc:
        raise CheckpointError(f"the model cannot be used: {exc}") from exc
