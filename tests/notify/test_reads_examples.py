"""The documentation's examples are answers that the API could give."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from notify.api import examples, shapes
from notify.api.paging import decode_cursor, encode_cursor
from notify.ids import new_id


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        (shapes.NotificationShape, examples.NOTIFICATION),
        (shapes.NotificationShape, examples.CANCELLED),
        (shapes.TimelineShape, examples.TIMELINE),
        (shapes.BatchShape, examples.BATCH),
        (shapes.DeadLetterShape, examples.DEAD_LETTER),
        (shapes.AcceptedShape, examples.ACCEPTED),
        (shapes.AcceptedBatchShape, examples.ACCEPTED_BATCH),
    ],
)
def test_an_example_has_the_shape_it_illustrates(shape: type[BaseModel], example: dict[str, Any]) -> None:
    shape.model_validate(example)


def test_the_examples_cursor_is_one() -> None:
    decode_cursor(examples.CURSOR)


def test_a_cursor_is_read_as_it_was_written() -> None:
    before = new_id()
    assert decode_cursor(encode_cursor(before)) == before


@pytest.mark.parametrize("text", ["", "x", "AAAA", "A" * 23, "é" * 22, "AaIOXyxAehGdVz8bbAp-IQ=="])
def test_what_is_no_cursor_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        decode_cursor(text)
