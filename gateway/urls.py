"""Where every room is mounted."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from gateway.health import healthz, readyz
from provenance.urls import provsap_urlpatterns
from tap.operator_views import prometheus
from uws import rocrate
from uws.status import status
from uws.urls import api_urlpatterns

handler500 = "gateway.vo.middleware.server_error"

admin.site.site_title = admin.site.site_header = f"{settings.SITE.title}: operators' pages"
admin.site.index_title = "What the gateway keeps"

urlpatterns = [
    # Pages have a link to it; browsers ask for this one beside everything else (XML, operators' pages).
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}icon-48.png")),
    path("healthz", healthz),
    path("readyz", readyz),
    path("status/", status, name="status"),
    path("tap/", include("tap.urls")),
    path("metrics", prometheus),
    path("scs/", include("tap.cone_urls")),
    path("uws/", include("uws.urls")),
    path("client/", include("gateway.api.client_urls")),
    path("api/v1/", include("gateway.api.urls")),
    path("api/v1/", include(api_urlpatterns)),
    path("", include("obscore.urls")),
    path("provenance/<uws_job:job_id>.crate.zip", rocrate.download, name="ro-crate"),
    path("provenance/", include("provenance.urls")),
    path("", include(provsap_urlpatterns)),
    path("account/", include("gateway.accounts.urls")),
    path("s/", include("gateway.accounts.link_urls")),
    path("admin/", admin.site.urls),
    path("", include("gateway.portal.urls")),
]
