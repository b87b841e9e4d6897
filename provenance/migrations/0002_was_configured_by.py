"""WasConfiguredBy as a view over the parameters: each has one activity already.

SQLite rebuilds a table to alter it and stumbles over views of it: a migration that alters Parameter drops
this view first and makes it again afterwards.
"""

from django.db import migrations

CREATE = """
CREATE VIEW provenance_wasconfiguredby AS
SELECT 'parameter:' || id AS id, activity_id, 'Parameter' AS "artefactType", id AS parameter_id
FROM provenance_parameter
"""


class Migration(migrations.Migration):
    dependencies = [("provenance", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, "DROP VIEW provenance_wasconfiguredby")]
