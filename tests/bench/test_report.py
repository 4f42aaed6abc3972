"""What is printed and kept of figures."""

from __future__ import annotations

from pathlib import Path

from bench import page
from bench.figures import Figure, Series, Target
from bench.report import Result, columns

FIGURE = Figure(
    measure="delivery",
    label="deliveries",
    ours=Series(name="ours", unit="/s", values=(6000.0, 5000.0, 7000.0)),
    baseline=Series(name="empty", unit="/s", values=(1000.0, 1000.0, 1000.0)),
    target=Target(least=3),
)
RESULT = Result(
    measure="delivery",
    figures=(FIGURE,),
    machine={
        "processor": "a processor",
        "cores": 2,
        "memory_gb": 4,
        "python": "3.11",
        "postgresql": "18",
        "valkey": "9",
        "at": "2026-11-24T12:00:00+00:00",
    },
    scale=1.0,
    seconds=3.0,
)


def test_a_line_of_the_table_says_ours_theirs_the_ratio_with_its_spread_and_whether_it_is_enough() -> None:
    assert columns(FIGURE) == ("6,000/s", "1,000/s", "6× (5–7)", "≥ 3", "met")


def test_a_result_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    RESULT.write(tmp_path)
    assert page.read(tmp_path) == [RESULT]


def test_the_page_s_table_names_the_machine_and_every_figure() -> None:
    text = page.table([RESULT])
    assert text.startswith("a processor, 2 cores, 4 GB;")
    assert "| deliveries | 6,000/s | 1,000/s | 6× (5–7) | ≥ 3 | met |" in text
