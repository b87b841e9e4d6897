"""/api/v1/searches and /api/v1/observations: the archive as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.base import ApiView, checked, plain
from gateway.api.jobs import query_values
from gateway.api.serializers import (
    ErrorSerializer,
    ObservationQuerySerializer,
    ObservationSerializer,
    ObservationsSerializer,
    SearchSerializer,
    TableSerializer,
)
from gateway.vo.columns import Column
from gateway.vo.errors import NotFound
from obscore import datalink, lookup
from tap import archive, service

DEFAULT_ROWS = 1000
_BAD = {400: ErrorSerializer, 503: ErrorSerializer}


class Searches(ApiView):
    """ADQL queries."""

    @extend_schema(
        operation_id="search",
        request=SearchSerializer,
        responses={200: TableSerializer, **_BAD, 413: ErrorSerializer, 415: ErrorSerializer},
        tags=["archive"],
    )
    def post(self, request: Request) -> Response:
        """Rows of an ADQL query, at most 10,000.  Larger results and other formats: `/tap`."""
        asked = checked(SearchSerializer, request.data)
        token = request._request.META.get("vogate.token")
        with service.open_query(
            asked["query"],
            self.caller,
            maxrec=asked.get("maxrec", DEFAULT_ROWS),
            base_url=self.base_url,
            on_leave=token.on_leave if token is not None else None,
        ) as result:
            rows: list[list[Any]] = []
            for batch in result.batches():
                columns = [[plain(value) for value in column.to_pylist()] for column in batch.columns]
                rows += map(list, zip(*columns))
            return Response(
                {"columns": [_column(c) for c in result.columns], "rows": rows, "overflow": result.overflow}
            )


def _column(column: Column) -> dict[str, str]:
    return {
        "name": column.name,
        "datatype": column.datatype,
        "unit": column.unit,
        "ucd": column.ucd,
        "description": column.description,
    }


class Observations(ApiView):
    """Lists of observations."""

    @extend_schema(
        operation_id="observations",
        parameters=[ObservationQuerySerializer],
        responses={200: ObservationsSerializer, **_BAD},
        tags=["archive"],
    )
    def get(self, request: Request) -> Response:
        """Observations of a collection, target, type or around a position, by collection and obs_id."""
        asked = checked(ObservationQuerySerializer, query_values(request, ()))
        if not _has_observations():
            return Response({"observations": [], "more": False})
        page = service.Page(offset=asked["offset"], limit=asked["limit"] + 1)
        _, table = service.fetch(observation_query(asked), self.caller, base_url=self.base_url, page=page)
        rows = [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]
        return Response({"observations": rows[: asked["limit"]], "more": len(rows) > asked["limit"]})


def _has_observations() -> bool:
    """False before the first ingest."""
    return any(schema.name.lower() == "ivoa" for schema in archive.ready().schemas)


def observation_query(asked: dict[str, Any]) -> str:
    """The ADQL of a list of observations; texts are quoted as ADQL has it."""
    conditions = [
        f"{column} = '{_quoted(asked[name])}'"
        for name, column in (("collection", "obs_collection"), ("product_type", "dataproduct_type"))
        if name in asked
    ]
    if "target" in asked:
        conditions.append(f"LOWER(target_name) = '{_quoted(asked['target'].lower())}'")
    if "ra" in asked:
        circle = f"CIRCLE({asked['ra']!r}, {asked['dec']!r}, {asked.get('radius', 1.0)!r})"
        conditions.append(f"1 = CONTAINS(POINT(s_ra, s_dec), {circle})")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT * FROM ivoa.obscore{where} ORDER BY obs_collection, obs_id"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


class ObservationView(ApiView):
    """One observation."""

    @extend_schema(
        operation_id="observation",
        responses={200: ObservationSerializer, 404: ErrorSerializer},
        tags=["archive"],
    )
    def get(self, request: Request, collection: str, obs_id: str) -> Response:
        """An observation with its ObsCore row, its files and the tools that take it."""
        found = lookup.find(f"{collection}/{obs_id}")
        if found is None or "/" in obs_id:
            raise NotFound(f"There is no observation {obs_id[:100]!r} in {collection[:64]!r}.")
        answer = datalink.answer([found.did], self.caller, self.base_url)
        links = [
            {
                "semantics": link.semantics,
                "access_url": link.access_url,
                "tool": link.service_def.removeprefix("tool_"),
                "description": link.description,
                "content_type": link.content_type,
                "content_length": link.content_length,
            }
            for link in answer.links
            if not link.error_message
        ]
        row = {name: plain(value) for name, value in found.row.items()}
        return Response({"did": found.did, "row": row, "links": links})
