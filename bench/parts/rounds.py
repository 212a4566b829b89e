"""Interleaved rounds: A B C A B C, so that what else the machine does falls on all alike."""

import statistics
import sys

from .workspace import Unavailable


class Contender:
    """Something that is measured repeatedly.

    `once` does it once and answers how long it took, in seconds, or how much it holds, in bytes. A quick contender is
    measured several times in a round, a slow one only in every n-th.
    """

    def __init__(self, name, once, repeats=1, every=1):
        self.name, self._once, self._repeats, self._every = name, once, repeats, every
        self.samples = []
        self.failure = None

    def take_part(self, number):
        if self.failure is not None or number % self._every != 0:
            return
        try:
            for _ in range(self._repeats):
                self.samples.append(self._once())
        except Unavailable as reason:
            self.failure = str(reason)

    def forget(self):
        self.samples.clear()

    @property
    def median(self):
        return statistics.median(self.samples)


def interleave(contenders, rounds, warm_up=True):
    """Measures all of them in turn; answers those that could be measured, and {name: reason} for the others."""
    if warm_up:
        for contender in contenders:
            contender.take_part(0)
            contender.forget()
    for number in range(rounds):
        for contender in contenders:
            contender.take_part(number)
            tell(".")
    tell("\n")
    failures = {one.name: one.failure for one in contenders if one.failure is not None}
    return [one for one in contenders if one.failure is None], failures


def tell(text):
    """What is going on, for who waits; on standard error, the results alone are on standard output."""
    sys.stderr.write(text)
    sys.stderr.flush()
