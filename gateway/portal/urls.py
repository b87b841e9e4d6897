"""Routes of this room."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from gateway.portal.views import (
    aladin,
    home,
    jobs,
    observation,
    provenance,
    provenance_replay,
    provenance_search,
    publishing,
    results,
    search,
    tools,
    view,
    withdrawal,
)

app_name = "portal"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("aladin.dic", aladin.aladin_dictionary, name="aladin-dictionary"),
    path("search/", search.search, name="search"),
    path("search/adql", search.adql, name="search-adql"),
    path("results/<slug:query_id>/", results.results, name="results"),
    path("results/<slug:query_id>/table", results.table, name="results-table"),
    path("results/<slug:query_id>/identifiers", results.identifiers, name="results-identifiers"),
    path("obs/<str:collection>/<path:obs_id>/", observation.observation, name="observation"),
    path("tools/", tools.tools, name="tools"),
    path("tools/<str:name>/", tools.tool, name="tool"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<str:job_id>/", jobs.job, name="job"),
    path("jobs/<str:job_id>/state/", jobs.job_state, name="job-state"),
    path("jobs/<str:job_id>/replay/", provenance_replay.replay_job, name="job-replay"),
    path("jobs/<str:job_id>/publish/<path:name>/", publishing.publish, name="job-publish"),
    path("jobs/<str:job_id>/compare/", provenance_replay.compare, name="job-compare"),
    path("provenance/search/", provenance_search.search, name="provenance-search"),
    path("provenance/graph/", provenance.graph, name="provenance-graph"),
    path("provenance/withdrawal/<int:number>/", withdrawal.withdrawal, name="withdrawal"),
    path("provenance/id/<str:kind>/<str:name>", provenance.identified, name="provenance-id"),
    path("provenance/entity/<path:entity_id>/", provenance.entity, name="provenance-entity"),
    path("provenance/activity/<path:activity_id>/", provenance.activity, name="provenance-activity"),
    path("provenance/agent/<path:agent_id>/", provenance.agent, name="provenance-agent"),
    path("view/<str:job_id>/<path:name>/", view.view, name="view"),
]
