from django.apps import AppConfig


class TapConfig(AppConfig):
    name = "tap"
    label = "tap"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings
        from django.utils.module_loading import import_string

        from gateway.site import SiteError
        from gateway.vo.caller import Caller
        from tap.adql import objects
        from tap.adql.extensions import named

        path = getattr(settings, "VOGATE_NAME_RESOLVER", "")

        def find(name: str) -> tuple[float, float]:
            """Names in queries (ivo_simbadpoint), as the site's resolver knows them."""
            position = import_string(path)(name, Caller(method="internal"))
            return position.ra, position.dec

        if path:
            objects.use(find)
        try:  # a wrong name in site.toml is found at start, not at the first query
            named(tuple(settings.SITE.query.get("extensions", ())))
        except ValueError as error:
            raise SiteError(f"site.toml: [query] extensions: {error}") from None
