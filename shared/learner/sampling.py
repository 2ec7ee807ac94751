"""Vowpal Wabbit's own random numbers: how often a bag's member sees an event, and Gaussians.

Sources: ``merand48`` and ``merand48_boxmuller`` in VW's ``random_details.h``, ``weight_gen`` in
``bs.h``. The number of sightings is drawn from the Poisson distribution with mean 1, as in the
online bootstrap.
"""

import itertools
import math
from bisect import bisect_left

import msgspec
import numpy as np
from numpy.typing import NDArray

_MULTIPLIER = 0xEECE66D5DEECE66D
_INCREMENT = 2147483647
_WORD = (1 << 64) - 1
_MOST = 20
_CUMULATIVE = list(
    itertools.accumulate(math.exp(-1.0) / math.factorial(count) for count in range(_MOST))
)

Words = NDArray[np.uint64]
Floats = NDArray[np.float32]


class Sampling(msgspec.Struct):
    """A stream of random numbers; the same state always goes on in the same way.

    Attributes:
        state: 64 bits.
    """

    state: int = 0

    def draw(self) -> int:
        """Return the next count."""
        return bisect_left(_CUMULATIVE, self._uniform())

    def gaussian(self) -> float:
        """Return the next number of mean 0 and variance 1 (Box and Muller 1958, polar form)."""
        while True:
            first = 2.0 * self._uniform() - 1.0
            second = 2.0 * self._uniform() - 1.0
            size = first * first + second * second
            if 0.0 < size < 1.0:
                return first * math.sqrt(-2.0 * math.log(size) / size)

    def _uniform(self) -> float:
        """Return the next number from 0 to 1."""
        self.state = (_MULTIPLIER * self.state + _INCREMENT) & _WORD
        return ((self.state >> 25) & 0x7FFFFF) / (1 << 23)


def gaussians(states: Words) -> Floats:
    """Return the first Gaussian of a stream of each state."""
    shape = states.shape
    states = states.ravel().copy()
    found = np.empty(len(states), np.float32)
    waiting = np.arange(len(states))
    while waiting.size:
        first, second = _uniforms(states), _uniforms(states)
        size = first * first + second * second
        done = (size > 0.0) & (size < 1.0)
        drawn = size[done]
        found[waiting[done]] = first[done] * np.sqrt(-2.0 * np.log(drawn) / drawn)
        waiting, states = waiting[~done], states[~done]
    return found.reshape(shape)


def _uniforms(states: Words) -> NDArray[np.float64]:
    """Move each state on; return the next number from -1 to 1."""
    states *= np.uint64(_MULTIPLIER)
    states += np.uint64(_INCREMENT)
    mantissa = (states >> np.uint64(25)) & np.uint64(0x7FFFFF)
    return mantissa.astype(np.float64) * (2.0 / (1 << 23)) - 1.0
