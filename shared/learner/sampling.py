"""How often each member of a bag sees an event: Vowpal Wabbit's own random numbers.

Sources: ``merand48`` in VW's ``rand48.h``, ``weight_gen`` in ``bs.h``. The number of sightings is
drawn from the Poisson distribution with mean 1, as in the online bootstrap.
"""

import itertools
import math
import struct
from bisect import bisect_left
from dataclasses import dataclass

_MULTIPLIER = 0xEECE66D5DEECE66D
_INCREMENT = 2147483647
_WORD = (1 << 64) - 1
_MOST = 20
_CUMULATIVE = list(
    itertools.accumulate(math.exp(-1.0) / math.factorial(count) for count in range(_MOST))
)


@dataclass(slots=True)
class Sampling:
    """A stream of random counts; the same state always goes on in the same way.

    Attributes:
        state: 64 bits.
    """

    state: int = 0

    def draw(self) -> int:
        """Return the next count."""
        self.state = (_MULTIPLIER * self.state + _INCREMENT) & _WORD
        # the top bits become the mantissa of a float32 between 1 and 2
        bits = ((self.state >> 25) & 0x7FFFFF) | (127 << 23)
        uniform = struct.unpack("<f", struct.pack("<I", bits))[0] - 1.0
        return bisect_left(_CUMULATIVE, uniform)
