"""What becomes of exceptions that are nobody's bug."""

from __future__ import annotations

import errno

import pytest
from django.db import OperationalError

from gateway.vo.middleware import as_gateway_error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE])
def test_a_machine_whose_means_are_spent_is_not_available(number: int) -> None:
    error = as_gateway_error(OSError(number, "no"))
    assert error is not None
    assert error.status == 503
    assert error.headers["Retry-After"]


def test_other_failures_of_the_system_are_bugs() -> None:
    assert as_gateway_error(OSError(errno.ENOENT, "no")) is None


def test_a_full_disk_is_not_called_a_database_that_is_away() -> None:
    full = as_gateway_error(OperationalError("database or disk is full"))
    away = as_gateway_error(OperationalError("connection refused"))
    assert full is not None
    assert away is not None
    assert "disk is full" in str(full)
    assert "does not answer" in str(away)
