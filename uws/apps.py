from django.apps import AppConfig


class UwsConfig(AppConfig):
    name = "uws"
    label = "uws"
    verbose_name = "Jobs and queues"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """A site.toml whose executors cannot be used is found at start, not at the first job."""
        from uws import executors
        from uws.tools import containers

        executors.check()
        containers.configure(executors.container_options())
