from django.apps import AppConfig


class TapConfig(AppConfig):
    name = "tap"
    label = "tap"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings
        from django.utils.module_loading import import_string

        from gateway.vo.caller import Caller
        from tap.adql import objects

        path = getattr(settings, "VOGATE_NAME_RESOLVER", "")

        def find(name: str) -> tuple[float, float]:
            """Names in queries (ivo_simbadpoint), as the site's resolver knows them."""
            position = import_string(path)(name, Caller(method="internal"))
            return position.ra, position.dec

        if path:
            objects.use(find)
