"""/api/v1/tools: what can be run here, and the forms in which a tool is described."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.base import ApiView
from gateway.api.serializers import ErrorSerializer, ToolDetailSerializer, ToolSerializer
from gateway.vo.caller import Caller
from gateway.vo.dali import VOTABLE_TYPE
from uws.tools import activity, registry
from uws.tools.description import Tool
from uws.tools.descriptors import service_votable
from uws.tools.exports import form_fields, parameters_schema

_MISSING = {404: ErrorSerializer}


def summary(tool: Tool, caller: Caller, base_url: str) -> dict[str, Any]:
    """A tool as lists have it, for this caller."""
    why_not = tool.why_not or tool.refusal(caller)
    return {
        "name": tool.name,
        "version": tool.version,
        "id": tool.id,
        "default": registry.get(tool.name).version == tool.version,
        "title": tool.title,
        "summary": tool.summary,
        "category": tool.category,
        "digest": tool.digest,
        "available": not why_not,
        "why_not": why_not,
        "deprecated": tool.deprecated,
        "url": f"{base_url}/uws/{tool.id}/async",
    }


class Tools(ApiView):
    """All tools."""

    @extend_schema(operation_id="tools", responses={200: ToolSerializer(many=True)}, tags=["tools"])
    def get(self, request: Request) -> Response:
        """Every version of every tool."""
        found = registry.current().all_versions()
        return Response([summary(tool, self.caller, self.base_url) for tool in found])


class ToolView(ApiView):
    """One tool."""

    @extend_schema(operation_id="tool", responses={200: ToolDetailSerializer, **_MISSING}, tags=["tools"])
    def get(self, request: Request, tool: str) -> Response:
        """A tool by name (its default version) or `name@version`."""
        found = registry.get(tool)
        return Response(
            {
                **summary(found, self.caller, self.base_url),
                "description": found.description,
                "reference": found.reference,
                "versions": [other.version for other in registry.current().versions(found.name)],
                "parameters": parameters_schema(found),
                "inputs": [asdict(role) for role in found.inputs],
                "outputs": [{**asdict(output), "preview": output.preview.value} for output in found.outputs],
                "examples": [asdict(example) for example in found.examples],
                "limits": asdict(found.limits),
            }
        )


class ToolSchema(ApiView):
    """The parameters as JSON Schema."""

    @extend_schema(
        operation_id="tool_schema", responses={200: OpenApiTypes.OBJECT, **_MISSING}, tags=["tools"]
    )
    def get(self, request: Request, tool: str) -> Response:
        """JSON Schema (2020-12) of a tool's parameters."""
        return Response(parameters_schema(registry.get(tool)))


class ToolForm(ApiView):
    """The fields of a form."""

    @extend_schema(operation_id="tool_form", responses={200: OpenApiTypes.OBJECT, **_MISSING}, tags=["tools"])
    def get(self, request: Request, tool: str) -> Response:
        """What a program needs to draw a form of a tool."""
        return Response({"fields": [asdict(field) for field in form_fields(registry.get(tool))]})


class ToolDescriptor(ApiView):
    """The tool as a DataLink service."""

    @extend_schema(
        operation_id="tool_descriptor",
        responses={(200, VOTABLE_TYPE): OpenApiResponse(OpenApiTypes.STR), **_MISSING},
        tags=["tools"],
    )
    def get(self, request: Request, tool: str) -> HttpResponse:
        """A VOTable with the service descriptor (DataLink 1.1, section 4) of a tool."""
        return HttpResponse(service_votable(registry.get(tool), self.base_url), content_type=VOTABLE_TYPE)


class ToolActivity(ApiView):
    """The tool in the terms of the Provenance Data Model."""

    @extend_schema(
        operation_id="tool_activity",
        responses={(200, VOTABLE_TYPE): OpenApiResponse(OpenApiTypes.STR), **_MISSING},
        tags=["tools"],
    )
    def get(self, request: Request, tool: str) -> HttpResponse:
        """A VOTable with the ActivityDescription of a tool."""
        return HttpResponse(activity.votable(registry.get(tool), self.base_url), content_type=VOTABLE_TYPE)
