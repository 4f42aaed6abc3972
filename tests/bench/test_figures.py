"""What follows from a set of measurements, without measuring anything."""

from __future__ import annotations

import json

import pytest

from bench.figures import Figure, Series, Target, percentile, rounded


def series(*values: float, name: str = "ours", unit: str = "/s") -> Series:
    return Series(name=name, unit=unit, values=values)


@pytest.mark.parametrize(
    ("values", "median", "low", "high"),
    [((3.0,), 3, 3, 3), ((5.0, 1.0, 3.0), 3, 1, 5), ((4.0, 1.0, 3.0, 2.0), 2.5, 1, 4)],
)
def test_a_series_knows_its_middle_and_its_spread(
    values: tuple[float, ...], median: float, low: float, high: float
) -> None:
    found = series(*values)
    assert (found.median, found.low, found.high) == (median, low, high)


def test_a_series_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="ours: nothing was measured"):
        series()


def test_quartiles_of_few_runs_are_the_extremes() -> None:
    assert series(3, 1, 2).quartiles == (1, 3)
    assert series(1, 2, 3, 4, 5).quartiles == (2, 4)


def test_a_ratio_is_taken_run_by_run() -> None:
    # A run in which the whole machine was half as fast changes both sides, and not their ratio.
    ratio = series(100, 50, 100).over(series(20, 10, 20, name="baseline"))
    assert ratio.values == (5, 5, 5)


def test_a_ratio_of_unequal_numbers_of_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        series(1, 2).over(series(1))


@pytest.mark.parametrize(
    ("target", "ours", "baseline", "met"),
    [
        (Target(least=3), (30, 31, 29), (10, 10, 10), True),
        (Target(least=3), (29, 29, 40), (10, 10, 10), False),
        (Target(most=1.2), (12, 12, 30), (10, 10, 10), True),
        (Target(most=1.2), (13, 13, 10), (10, 10, 10), False),
        (Target(most=15), (14, 15, 16), None, True),
        (Target(most=15), (15.1, 15.1, 1), None, False),
        (None, (1, 1, 1), None, None),
    ],
)
def test_a_figure_is_judged_by_the_median_of_its_ratio_or_of_its_own_value(
    target: Target | None, ours: tuple[float, ...], baseline: tuple[float, ...] | None, met: bool | None
) -> None:
    figure = Figure(
        measure="m",
        label="l",
        ours=series(*ours),
        baseline=None if baseline is None else series(*baseline, name="baseline"),
        target=target,
    )
    assert figure.met is met


@pytest.mark.parametrize("bounds", [{}, {"least": 1.0, "most": 2.0}])
def test_a_target_is_either_a_least_or_a_most(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="either"):
        Target(**bounds)


def test_a_figure_comes_back_from_json_as_it_was() -> None:
    figure = Figure(
        measure="m",
        label="l",
        ours=series(1, 2),
        baseline=series(3, 4, name="baseline"),
        target=Target(least=1),
        note="so",
    )
    assert Figure.from_json(json.loads(json.dumps(figure.as_json()))) == figure


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([1.0], 0.99, 1.0),
        ([float(n) for n in range(1, 101)], 0.5, 50.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 101)], 1.0, 100.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(n) for n in range(1, 1001)], 0.999, 999.0),
    ],
)
def test_a_percentile_is_a_value_that_occurred(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (6.217, "6.22"), (640.4, "640"), (6174.04, "6,170"), (1234567, "1,230,000")],
)
def test_figures_are_printed_as_exactly_as_they_were_measured(value: float, text: str) -> None:
    assert rounded(value) == text
