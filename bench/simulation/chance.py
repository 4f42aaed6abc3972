"""Chance, seeded: how many of ``n`` things happen."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

#: From here on the normal distribution is close enough, and faster.
_MANY = 40


def binomial(rng: random.Random, n: int, p: float) -> int:
    """How many of ``n`` happen, each with probability ``p``."""
    if n <= 0 or p <= 0.0:
        return 0
    if p >= 1.0:
        return n
    if n < _MANY:
        return sum(rng.random() < p for _ in range(n))
    drawn = rng.gauss(n * p, math.sqrt(n * p * (1.0 - p)))
    return min(n, max(0, round(drawn)))


def poisson(rng: random.Random, mean: float) -> int:
    """How many arrive where ``mean`` are expected."""
    if mean > _MANY:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def split(rng: random.Random, n: int, weights: Sequence[float]) -> list[int]:
    """``n`` things drawn among ``weights``; none anywhere when all weights are zero."""
    parts = [0] * len(weights)
    left, total = n, sum(weights)
    for index, weight in enumerate(weights):
        if left <= 0 or total <= 0.0:
            break
        parts[index] = binomial(rng, left, min(1.0, weight / total))
        left -= parts[index]
        total -= weight
    return parts
