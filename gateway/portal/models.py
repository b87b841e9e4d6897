"""What the pages keep in the database: queries with a permalink."""

from __future__ import annotations

import base64
import hashlib

from django.db import models


def query_id(adql: str) -> str:
    """16 characters (80 bits of the SHA-256 of the text, base 32, lower case)."""
    digest = hashlib.sha256(adql.strip().encode()).digest()
    return base64.b32encode(digest[:10]).decode("ascii").lower()


class SavedQuery(models.Model):
    """An ADQL text that somebody ran from a page; its results page is `/results/<id>/`.

    The id follows from the text, so that the same search always has the same address, and whoever has
    the address may run it (with their own rights).
    """

    id = models.CharField(primary_key=True, max_length=16)
    adql = models.TextField()
    form = models.TextField(blank=True, default="")
    """Query string of the search form that it came from, for the way back; '' if it was written by hand."""
    note = models.TextField(blank=True, default="")
    """What the results page says about where the query comes from, e.g. who resolved a name."""
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "saved queries"

    def __str__(self) -> str:
        return self.id

    @classmethod
    def keep(cls, adql: str, form: str = "", note: str = "") -> SavedQuery:
        """The record of a text, made if it is new; a known form state is never replaced by none."""
        text = adql.strip()
        defaults = {"adql": text, "form": form, "note": note}
        query, created = cls.objects.get_or_create(id=query_id(text), defaults=defaults)
        if not created and form and (query.form, query.note) != (form, note):
            query.form, query.note = form, note
            query.save(update_fields=["form", "note"])
        return query
