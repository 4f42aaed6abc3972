"""Histograms: close enough, and the same however they are added up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.histogram import RELATIVE_ERROR, Histogram

VALUES = st.lists(st.floats(min_value=0.02, max_value=1e9), max_size=60)


def histogram(values: list[float]) -> Histogram:
    counted = Histogram()
    for value in values:
        counted.add(value)
    return counted


def merged(*histograms: Histogram) -> Histogram:
    total = Histogram()
    for one in histograms:
        total.merge(one)
    return total


@given(VALUES.filter(bool), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_five_per_cent_of_the_true_one(values: list[float], share: float) -> None:
    true = sorted(values)[math.ceil(share * len(values)) - 1]
    read = histogram(values).quantile(share)
    assert read is not None
    assert abs(read - true) <= true * (RELATIVE_ERROR + 1e-9)
    assert RELATIVE_ERROR < 0.05


@given(VALUES, VALUES, VALUES)
def test_adding_up_is_the_same_in_any_order_and_as_counting_all_at_once(
    one: list[float], two: list[float], three: list[float]
) -> None:
    a, b, c = histogram(one), histogram(two), histogram(three)
    assert merged(merged(a, b), c) == merged(a, merged(c, b)) == merged(c, b, a) == histogram(one + two + three)


@given(VALUES)
def test_what_is_written_down_is_read_again(values: list[float]) -> None:
    counted = histogram(values)
    assert Histogram.unpack(counted.pack()) == counted
    assert Histogram.from_list(counted.as_list()) == counted
    assert counted.total == len(values)


@given(VALUES, VALUES, VALUES)
def test_several_that_are_written_down_are_read_as_their_sum(
    one: list[float], two: list[float], three: list[float]
) -> None:
    parts = [histogram(values).pack() for values in (one, two, three)]
    assert Histogram.unpack(*parts) == histogram(one + two + three)
    assert Histogram.unpack() == Histogram()


@given(VALUES, st.floats(min_value=0.02, max_value=1e9))
def test_what_is_within_a_limit_is_counted_to_a_tenth_of_it(values: list[float], limit: float) -> None:
    within = histogram(values).up_to(limit)
    assert sum(value <= limit for value in values) <= within
    assert within <= sum(value <= limit * 1.1000001 for value in values)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-9, 1e300, math.inf, math.nan])
def test_what_is_beyond_the_ends_counts_at_the_ends(value: float) -> None:
    counted = histogram([value])
    assert counted.total == 1
    assert Histogram.unpack(counted.pack()) == counted


def test_nothing_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
