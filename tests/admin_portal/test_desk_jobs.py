"""Jobs of the desk: nothing twice, nothing forgotten, whoever dies in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from admin_portal import tasks
from admin_portal.desk import jobs
from admin_portal.desk.selection import Selection
from admin_portal.models import AuditEntry, DeskJob
from admin_portal.models.desk import JobKind
from notify.models import DeadLetter, Delivery
from tests import factories
from tests.admin_portal.conftest import SignIn

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


def bury(count: int, *, at: datetime | None = None, **values: Any) -> None:
    application = factories.make_application()
    for _ in range(count):
        delivery = factories.make_delivery(factories.make_notification(application, at=at), "dead")
        factories.make_dead_letter(delivery, **values)


def hold(count: int) -> None:
    application = factories.make_application()
    for _ in range(count):
        factories.make_delivery(factories.make_notification(application), "held", error_code="outcome_unknown")


def begin(kind: JobKind = JobKind.REPLAY, before: datetime | None = None, **criteria: Any) -> DeskJob:
    now = factories.now() + timedelta(seconds=1)
    selection = Selection(criteria=criteria, before=before or now)
    return jobs.start(kind=kind, selection=selection, author="li", origin="10.0.0.1", now=now)


def run(**values: Any) -> int:
    return jobs.run_due(factories.now(), **values)


@pytest.mark.parametrize(
    ("kind", "status", "make"),
    [
        (JobKind.REPLAY, "queued", bury),
        (JobKind.DISCARD, "dead", bury),
        (JobKind.RESEND, "queued", hold),
        (JobKind.MARK_SENT, "sent", hold),
    ],
)
def test_a_job_does_all_of_it_portion_by_portion(kind: JobKind, status: str, make: Any) -> None:
    make(7)
    job = begin(kind)
    assert run(portion=3) == 7
    job.refresh_from_db()
    assert (job.state, job.total, job.done, job.skipped, job.percent) == ("done", 7, 7, 0, 100)
    assert set(Delivery.objects.values_list("status", flat=True)) == {status}


def test_a_turn_ends_when_its_time_is_over_and_the_next_goes_on() -> None:
    bury(7)
    job = begin()
    assert run(portion=3, turn_s=0) == 3
    job.refresh_from_db()
    assert (job.state, job.done, job.percent) == ("running", 3, 42)
    assert run(portion=3) == 4


def test_what_came_after_the_question_is_not_touched() -> None:
    bury(2)
    before = factories.now() + timedelta(milliseconds=1)
    bury(1, at=before + timedelta(seconds=1))
    job = begin(before=before)
    run()
    job.refresh_from_db()
    assert (job.total, job.done) == (2, 2)
    assert DeadLetter.objects.filter(state="open").count() == 1


def test_what_somebody_else_decided_on_meanwhile_is_not_done_again() -> None:
    bury(3)
    job = begin(JobKind.DISCARD)
    DeadLetter.objects.filter(pk=DeadLetter.objects.order_by("id")[1].pk).update(state="replayed")
    run()
    job.refresh_from_db()
    assert (job.total, job.done) == (3, 2)
    assert sorted(DeadLetter.objects.values_list("state", flat=True)) == ["discarded", "discarded", "replayed"]


def test_what_is_alive_again_is_passed_over_and_the_job_ends() -> None:
    bury(3)
    Delivery.objects.filter(pk=DeadLetter.objects.order_by("id")[0].delivery_id).update(status="queued")
    job = begin()
    run(portion=2)
    job.refresh_from_db()
    assert (job.state, job.done, job.skipped) == ("done", 2, 1)


def test_a_portion_that_dies_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    bury(4)
    job = begin(JobKind.DISCARD)
    run(portion=2, turn_s=0)

    def die(self: DeskJob, *args: Any, **values: Any) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(DeskJob, "save", die)
        with pytest.raises(OSError, match="killed"):
            run(portion=2)
    assert DeadLetter.objects.filter(state="discarded").count() == 2
    run(portion=2)
    job.refresh_from_db()
    assert (job.state, job.done, job.skipped) == ("done", 4, 0)


def test_several_workers_at_once_do_each_row_once() -> None:
    bury(60)
    job = begin()

    def work(_number: int) -> int:
        try:
            return sum(run(portion=5, turn_s=0) for _ in range(8))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    run(portion=5)
    job.refresh_from_db()
    assert (job.state, job.done, job.skipped) == ("done", 60, 0)
    assert set(Delivery.objects.values_list("replays", flat=True)) == {1}


def test_a_job_that_always_fails_ends_as_failed_and_says_why() -> None:
    bury(1)
    job = begin()
    DeskJob.objects.filter(pk=job.pk).update(criteria={"application": "no number, alice@example.com"})
    for _ in range(5):
        run()
    job.refresh_from_db()
    assert job.state == "failed"
    assert "ValueError" in job.error
    assert "alice@example.com" not in job.error


def test_a_job_that_fails_does_not_keep_the_others_waiting() -> None:
    bury(1)
    broken, good = begin(), begin(JobKind.DISCARD)
    DeskJob.objects.filter(pk=broken.pk).update(criteria={"application": "no number"})
    run()
    run()
    good.refresh_from_db()
    assert good.state == "done"


def test_a_database_that_is_away_is_no_fault_of_the_job() -> None:
    bury(1)
    job = begin()

    def work() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (backend,) = cursor.fetchone()
        with ThreadPoolExecutor(1) as other:
            other.submit(terminate, backend).result()
        try:
            run()
        except OperationalError as error:
            return type(error).__name__
        finally:
            connection.close()
        return "nothing was raised"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == "OperationalError"
    run()
    job.refresh_from_db()
    assert (job.state, job.failures) == ("done", 0)


def terminate(backend: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    finally:
        connection.close()


def test_the_tick_of_each_second_goes_on_with_it() -> None:
    bury(2)
    job = begin(JobKind.DISCARD)
    tasks.steer_once(now=factories.now())
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", 2)


def test_a_job_is_stopped_between_portions() -> None:
    bury(4)
    job = begin()
    run(portion=2, turn_s=0)
    assert jobs.cancel(job_id=job.pk, actor="wu", origin="", now=factories.now())
    assert run() == 0
    job.refresh_from_db()
    assert (job.state, job.done, job.ended_by) == ("cancelled", 2, "wu")
    assert not jobs.cancel(job_id=job.pk, actor="wu", origin="", now=factories.now())


def test_its_beginning_and_its_end_are_in_the_audit() -> None:
    bury(2)
    job = begin(JobKind.DISCARD, channel="email")
    run()
    entries = AuditEntry.objects.filter(target=f"desk_job:{job.pk}").order_by("number")
    assert [entry.action for entry in entries] == ["desk.job.started", "desk.job.done"]
    assert (entries[0].actor, entries[0].origin) == ("li", "10.0.0.1")
    assert entries[0].after["which"] == {"channel": "email"}  # type: ignore[index]
    assert entries[1].after["done"] == 2  # type: ignore[index]


# --- pages ------------------------------------------------------------------------------------------------------------


def page(client: Client, name: str, job_id: UUID) -> Any:
    return client.get(reverse(f"admin:admin_portal_deskjob_{name}", args=(job_id,)))


def test_the_page_asks_again_until_it_is_over(operator: Client) -> None:
    bury(3)
    job = begin()
    run(portion=2, turn_s=0)
    asks = reverse("admin:admin_portal_deskjob_progress", args=(job.pk,))
    assert asks in page(operator, "change", job.pk).content.decode()
    part = page(operator, "progress", job.pk)
    assert part.status_code == 200
    assert 'value="66"' in part.content.decode()
    run()
    assert page(operator, "progress", job.pk).status_code == 286
    assert asks not in page(operator, "change", job.pk).content.decode()


def test_only_who_may_decide_stops_a_job_and_only_by_post(operator: Client, sign_in: SignIn) -> None:
    bury(1)
    job = begin()
    url = reverse("admin:admin_portal_deskjob_cancel", args=(job.pk,))
    assert sign_in("admin_portal.view_deskjob").post(url).status_code == 403
    assert sign_in("admin_portal.resolve_held").post(url).status_code == 403
    assert operator.get(url).status_code == 405
    assert operator.post(url).status_code == 302
    job.refresh_from_db()
    assert (job.state, job.ended_by) == ("cancelled", "operator")


@pytest.mark.parametrize("name", ["change", "progress"])
def test_who_has_nothing_to_do_with_jobs_sees_none(sign_in: SignIn, name: str) -> None:
    bury(1)
    assert page(sign_in("notify.view_batch"), name, begin().pk).status_code == 403


def test_the_list_shows_how_far_they_are(operator: Client) -> None:
    bury(2)
    begin(channel="email")
    html = operator.get(reverse("admin:admin_portal_deskjob_changelist")).content.decode()
    assert "0 / 2" in html
