from django.apps import AppConfig


class ObscoreConfig(AppConfig):
    name = "obscore"
    label = "obscore"
    default_auto_field = "django.db.models.BigAutoField"
