"""What follows from the measured costs, without measuring anything: the formula, the simulated lane, the plan, the
page."""

from __future__ import annotations

import copy
import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import page
from bench.capacity import costs, tables, target
from bench.capacity import page as capacity_page
from bench.capacity.__main__ import main
from bench.capacity.costs import Costs, Disk, Spent
from bench.capacity.lane import Arrival, Pace, Passage, Worker, by_chance
from bench.capacity.plan import Plan, plan
from bench.capacity.queueing import Queue, erlang_b, places_for
from bench.capacity.target import Target
from channels.names import PRIORITIES

SPENT = Spent(process_s=0.003, database_s=0.001, broker_s=0.0001, wal_bytes=1000, transactions=1, commands=5)
COSTS = Costs(
    single=SPENT,
    recipient=Spent(process_s=0, database_s=0, broker_s=0, wal_bytes=0, transactions=0, commands=0),
    delivery=Spent(process_s=0.0002, database_s=0.0001, broker_s=0, wal_bytes=1000, transactions=0, commands=0),
    stored_bytes=1000,
    pace=Pace(bell_s=0.004, claim_s=0.003, record_s=0.003, message_s=0.0002),
    disk=Disk(flushes_per_second=1000, bytes_per_second=100e6),
    socket_per_second=1000,
)


def planned(*, singles: float = 1.0, per_second: float = 100, **more: Any) -> Plan:
    channel = {"per_second": per_second, "latency_ms": 100, "p99_ms": 1000}
    return plan(target.parse({"channels": {"sms": channel}, "singles": singles, **more}), COSTS)


def need(found: Plan, kind: str) -> float:
    return next(one.needed for one in found.needs if one.kind == kind)


# --- the formula ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "places", "chance"),
    # Of one place, the part of the time it is busy; the others as tables of Erlang C have them.
    [(0.5, 1, 0.5), (0.9, 1, 0.9), (2.0, 3, 0.4444), (8.0, 10, 0.4092), (20.0, 25, 0.2092)],
)
def test_the_chance_to_wait_is_that_of_erlang_s_tables(offered: float, places: int, chance: float) -> None:
    queue = Queue(per_second=offered, service_s=1.0, places=places)
    assert queue.waiting_chance == pytest.approx(chance, abs=0.0001)


def test_the_wait_for_one_place_is_that_of_the_m_m_1_queue() -> None:
    # P(W > t) = ρ e^-(μ-λ)t
    queue = Queue(per_second=8, service_s=0.1, places=1)
    assert 0.8 * math.exp(-(10 - 8) * queue.wait_s(0.99)) == pytest.approx(0.01)


def test_services_that_never_vary_halve_the_wait() -> None:
    by_chance_s = Queue(per_second=15, service_s=1, places=16).wait_s(0.99)
    always_alike_s = Queue(per_second=15, service_s=1, places=16, service_varies=0).wait_s(0.99)
    assert always_alike_s == pytest.approx(by_chance_s / 2)


def test_a_line_to_which_more_comes_than_leaves_has_no_end() -> None:
    assert Queue(per_second=10, service_s=0.1, places=1).wait_s(0.5) == math.inf


@given(
    per_second=st.floats(0.1, 2000),
    service_s=st.floats(0.001, 0.5),
    wait_s=st.floats(0, 2),
    utilisation=st.floats(0.3, 0.95),
)
def test_one_place_fewer_would_not_do(per_second: float, service_s: float, wait_s: float, utilisation: float) -> None:
    def does(places: int) -> bool:
        queue = Queue(per_second=per_second, service_s=service_s, places=places)
        return queue.wait_s(0.99) <= wait_s and queue.utilisation <= utilisation * (1 + 1e-9)

    places = places_for(per_second=per_second, service_s=service_s, wait_s=wait_s, share=0.99, utilisation=utilisation)
    assert does(places)
    assert places == 1 or not does(places - 1)


def test_a_wait_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no number of places"):
        places_for(per_second=1, service_s=1, wait_s=-0.1, share=0.99, utilisation=0.7)


def test_with_no_places_everybody_is_turned_away() -> None:
    assert erlang_b(offered=3, places=0) == 1


# --- the simulated lane -----------------------------------------------------------------------------------------------


def simulated(arrivals: list[Arrival], *, places: int = 16, shares: dict[int, int] | None = None) -> list[Passage]:
    return Worker(pace=COSTS.pace, places=places, service_s=lambda: 0.08, shares=shares).run(arrivals)


def flood(count: int, *, application: int = 1) -> list[Arrival]:
    return [Arrival(0.0, "bulk", application)] * count


def test_a_message_that_finds_a_worker_at_rest_waits_for_the_bell_and_the_claim() -> None:
    (passage,) = simulated([Arrival(1.0)])
    assert passage.wait_s == pytest.approx(0.004 + 0.003 + 0.0002 / 2)


def test_every_message_has_its_turn_and_none_has_two() -> None:
    arrivals = list(by_chance(per_second=300, seconds=3, rng=random.Random(1)))
    passages = simulated(arrivals)
    assert [one.arrival for one in passages] == sorted(arrivals)
    assert all(one.answered_at == pytest.approx(one.started_at + 0.08) for one in passages)


def test_a_provider_is_never_asked_for_more_at_once_than_it_has_places() -> None:
    rng = random.Random(2)
    passages = simulated(
        [one for priority in PRIORITIES for one in by_chance(per_second=150, seconds=2, rng=rng, priority=priority)]
    )
    moments = sorted((at, step) for one in passages for at, step in ((one.started_at, 1), (one.answered_at, -1)))
    busy, most = 0, 0
    for _at, step in moments:
        busy += step
        most = max(most, busy)
    assert most == 16


@pytest.mark.parametrize(("priority", "places"), [("critical", 16), ("normal", 13), ("bulk", 9)])
def test_more_than_the_places_can_do_leaves_at_the_rate_of_those_for_its_priority(priority: str, places: int) -> None:
    passages = simulated(list(by_chance(per_second=400, seconds=5, rng=random.Random(3), priority=priority)))
    rate = len(passages) / passages[-1].answered_at
    assert rate == pytest.approx(places / 0.08, rel=0.05)


def test_what_is_critical_does_not_wait_for_the_end_of_a_flood_of_bulk() -> None:
    critical = list(by_chance(per_second=20, seconds=5, rng=random.Random(4)))
    passages = simulated([*flood(1000), *critical])
    waits_s = [one.wait_s for one in passages if one.arrival.priority == "critical"]
    last_of_bulk = max(one.started_at for one in passages if one.arrival.priority == "bulk")
    assert max(waits_s) < 0.3 < last_of_bulk


def test_one_application_s_flood_does_not_keep_another_s_message_until_its_end() -> None:
    passages = simulated([*flood(1000), Arrival(1.0, "bulk", 2)])
    (single,) = [one for one in passages if one.arrival.application == 2]
    assert single.wait_s < 1.0
    assert sum(one.started_at > single.started_at for one in passages) > 500


def test_a_larger_share_leaves_sooner() -> None:
    both = [*flood(500), *flood(500, application=2)]
    passages = simulated(both, shares={1: 1, 2: 4})
    half = sorted(passages, key=lambda one: one.started_at)[:400]
    large = sum(one.arrival.application == 2 for one in half)
    assert large / (400 - large) == pytest.approx(4, rel=0.2)


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_processes_are_what_the_messages_cost_at_the_wanted_utilisation() -> None:
    found = planned(per_second=700, utilisation=0.7)
    assert need(found, "web") == pytest.approx(700 * 0.003 / 0.7)
    assert need(found, "database") == pytest.approx(700 * 0.0011 / 0.7)
    assert need(found, "workers sms") == pytest.approx(700 / 1000 / 0.7)


def test_what_comes_in_batches_costs_what_batches_cost() -> None:
    assert need(planned(singles=0), "web") == 0


def test_connections_are_counted_as_the_architecture_does() -> None:
    found = planned(per_second=600, utilisation=0.7)
    lanes = 7 * 3
    assert need(found, "connections") == 3 * 8 + 1 * 9 + 4 + lanes + 2 + 1


def test_places_kept_free_for_what_is_urgent_are_added() -> None:
    bulk = target.parse({"channels": {"sms": {"per_second": 600, "latency_ms": 100, "priority": "bulk"}}})
    (channel,) = plan(bulk, COSTS).channels
    assert channel.places == math.ceil(channel.formula_places / 0.6)


def test_what_is_scarcest_gives_way_first() -> None:
    found = planned(per_second=1000, standing={"connections": 1, "places_a_channel": 4000, "cores": 64})
    assert found.first.kind == "connections"
    assert tables.verdict(found.first).startswith("First to give way: connections to PostgreSQL")


def test_what_is_enough_gives_way_to_nothing() -> None:
    found = planned(per_second=1)
    assert found.first.times < 1
    assert tables.verdict(found.first).startswith("What stands there is enough")


def test_the_log_goes_by_the_disk_that_was_measured_unless_another_is_named() -> None:
    ours, other = planned(), planned(standing={"log_mb_per_second": 7})
    assert [next(one.standing for one in found.needs if one.kind == "log") for found in (ours, other)] == [100, 7]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"channels": {}}, "channels"),
        ({"channels": {"sms": {"per_second": 0}}}, "channels.sms.per_second"),
        ({"channels": {"sms": {"per_second": 1}}, "utilisation": 1}, "utilisation"),
        ({"channels": {"sms": {"per_second": 1}}, "workers": 3}, "workers"),
        ("sms", "target"),
    ],
)
def test_a_target_that_can_t_be_read_says_where(data: object, words: str) -> None:
    with pytest.raises(target.TargetError, match=words):
        target.parse(data)


def test_a_channel_can_be_written_on_the_command_line() -> None:
    name, given_ = target.parse_channel("sms=500,latency_ms=80,priority=bulk")
    parsed = Target.model_validate({"channels": {name: given_}}).channels["sms"]
    assert (parsed.per_second, parsed.latency_ms, parsed.priority) == (500, 80, "bulk")


@pytest.mark.parametrize("text", ["sms", "=5", "sms=5,latency_ms"])
def test_a_channel_that_can_t_be_read_is_refused(text: str) -> None:
    with pytest.raises(target.TargetError, match="CHANNEL=A_SECOND"):
        target.parse_channel(text)


# --- the command and the page -----------------------------------------------------------------------------------------


def test_a_measurement_that_is_missing_or_small_has_to_be_made() -> None:
    small = [replace(result, scale=0.1) if result.measure == "smtp" else result for result in page.kept()]
    with pytest.raises(costs.Unmeasured, match="make bench BENCH=capacity"):
        costs.read([])
    with pytest.raises(costs.Unmeasured, match="make bench BENCH=smtp"):
        costs.read(small)


def test_results_of_a_folder_come_before_the_kept_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = next(result for result in page.kept() if result.measure == "capacity")
    dearer = copy.deepcopy(measured)
    dearer.details["costs"]["single"]["process_s"] = 1.0
    dearer.write(tmp_path)
    assert main(["--results", str(tmp_path), "--channel", "sms=10", "--singles", "1", "--json", "-"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert next(one["needed"] for one in found["needs"] if one["kind"] == "web") == pytest.approx(10 / 0.7)


def test_a_target_that_can_t_be_read_ends_the_command_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "target.yaml"
    file.write_text("channels: {sms: {per_second: -1}}")
    assert main([str(file)]) == 1
    assert "channels.sms.per_second" in capsys.readouterr().err


def test_the_command_answers_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--channel", "sms=1000,latency_ms=100", "--json", "-"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["per_second"] == 1000
    assert found["first_to_give_way"] == "sms: places at providers"
    assert {one["kind"] for one in found["needs"]} >= {"web", "database", "log", "broker", "connections", "cores"}


def test_the_page_s_tables_are_what_the_kept_figures_say() -> None:
    text = capacity_page.PAGE.read_text()
    for name, table in capacity_page.made(page.kept()).items():
        assert table in text, f"{name}: run python -m bench.capacity --page"


def test_the_page_is_written_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    written = tmp_path / "capacity.md"
    written.write_text(capacity_page.PAGE.read_text())
    capacity_page.write(page.kept(), written)
    assert written.read_text() == capacity_page.PAGE.read_text()


def test_costs_are_read_from_the_kept_figures() -> None:
    found = costs.read(page.kept())
    assert found.single.process_s > found.recipient.process_s > 0
    assert found.socket_per_second > 0
