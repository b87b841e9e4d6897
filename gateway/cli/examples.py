"""Inputs of tools' examples: observations of this archive."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.vo.caller import ANONYMOUS

ANY = "archive:"


def resolve(identifier: str) -> Path | None:
    """The file of an observation that everybody may read.

    `archive:event` is the first one of that dataproduct_type; anything else goes to the resolvers of jobs' inputs.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    import django
    from django.db import OperationalError

    django.setup()
    from obscore import lookup, rights
    from uws.inputs import resolve_all

    try:
        if not identifier.startswith(ANY):
            return resolve_all({"input": [identifier]}, ANONYMOUS)["input"][0].path
        kind = identifier.removeprefix(ANY)
        for found in (
            lookup.observations().filter(missing=False).order_by("collection__name", "obs_id").iterator(100)
        ):
            if (
                found.product
                and found.row.get("dataproduct_type") == kind
                and rights.may_read(found.row, ANONYMOUS)
            ):
                return found.product.absolute
    except OperationalError:  # no archive was ever made here
        return None
    return None
