from django.apps import AppConfig


class UwsConfig(AppConfig):
    name = "uws"
    label = "uws"
    default_auto_field = "django.db.models.BigAutoField"
