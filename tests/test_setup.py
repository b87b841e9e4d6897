"""The test run itself: nothing outside a temporary home is touched."""

from pathlib import Path

from django.conf import settings
from django.core.management import call_command


def test_tests_use_a_home_of_their_own():
    assert "vogate-test-" in str(settings.VOGATE_HOME)
    assert Path(settings.VOGATE_HOME).is_dir()


def test_models_and_migrations_agree(db):
    call_command("makemigrations", check=True, dry_run=True)
