"""ConfigFile, withdrawals, steps inside jobs, requests; WasConfiguredBy shows files, too.

The view is dropped first: SQLite rebuilds tables to alter them and stumbles over views of them.
"""

import django.db.models.deletion
from django.db import migrations, models

OLD = """
CREATE VIEW provenance_wasconfiguredby AS
SELECT 'parameter:' || id AS id, activity_id, 'Parameter' AS "artefactType", id AS parameter_id
FROM provenance_parameter
"""
NEW = """
CREATE VIEW provenance_wasconfiguredby AS
SELECT 'parameter:' || id AS id, activity_id, 'Parameter' AS "artefactType",
    id AS parameter_id, CAST(NULL AS BIGINT) AS "configFile_id"
FROM provenance_parameter
UNION ALL
SELECT 'file:' || id, activity_id, 'ConfigFile', CAST(NULL AS BIGINT), id
FROM provenance_configfile
"""
DROP = "DROP VIEW provenance_wasconfiguredby"


class Migration(migrations.Migration):
    dependencies = [
        ("provenance", "0002_was_configured_by"),
    ]

    operations = [
        migrations.RunSQL(DROP, OLD),
        migrations.CreateModel(
            name="ConfigFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=150)),
                ("location", models.TextField(blank=True)),
                ("comment", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="ConfigFileDescription",
            fields=[
                ("id", models.CharField(max_length=320, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=150)),
                ("contentType", models.CharField(max_length=150)),
                ("description", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="Withdrawal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "subject",
                    models.CharField(help_text="id of an Entity or an ActivityDescription", max_length=500),
                ),
                ("reason", models.TextField()),
                ("time", models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="activity",
            name="one_activity_per_attempt",
        ),
        migrations.AddField(
            model_name="activity",
            name="access",
            field=models.CharField(
                blank=True,
                choices=[("", "whoever may see the job"), ("public", "everybody")],
                default="",
                help_text="gateway",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="activity",
            name="cpuTime",
            field=models.FloatField(blank=True, help_text="gateway: seconds", null=True),
        ),
        migrations.AddField(
            model_name="activity",
            name="peakMemory",
            field=models.BigIntegerField(blank=True, help_text="gateway: bytes", null=True),
        ),
        migrations.AddField(
            model_name="activity",
            name="requestDigest",
            field=models.CharField(
                blank=True,
                default="",
                help_text="gateway: SHA-256 of tool, parameters and inputs",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="activity",
            name="step",
            field=models.CharField(
                blank=True,
                default="",
                help_text="gateway: a step inside the job, as its tool says",
                max_length=100,
            ),
        ),
        migrations.AddField(
            model_name="generationdescription",
            name="entityDescription",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="provenance.entitydescription",
            ),
        ),
        migrations.AddField(
            model_name="parameter",
            name="valueEntity",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to="provenance.entity"
            ),
        ),
        migrations.AddField(
            model_name="usagedescription",
            name="entityDescription",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="provenance.entitydescription",
            ),
        ),
        migrations.AlterField(
            model_name="activity",
            name="id",
            field=models.CharField(max_length=200, primary_key=True, serialize=False),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(fields=["job"], name="provenance_activity_job"),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("requestDigest", ""), _negated=True),
                fields=["requestDigest"],
                name="provenance_request",
            ),
        ),
        migrations.AddConstraint(
            model_name="activity",
            constraint=models.UniqueConstraint(
                condition=models.Q(("step", "")), fields=("job", "attempt"), name="one_activity_per_attempt"
            ),
        ),
        migrations.AddField(
            model_name="configfile",
            name="activity",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="configFiles",
                to="provenance.activity",
            ),
        ),
        migrations.AddField(
            model_name="configfile",
            name="content",
            field=models.ForeignKey(
                help_text="gateway",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="provenance.content",
            ),
        ),
        migrations.AddField(
            model_name="configfiledescription",
            name="activityDescription",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="configFileDescriptions",
                to="provenance.activitydescription",
            ),
        ),
        migrations.AddField(
            model_name="configfile",
            name="configFileDescription",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, to="provenance.configfiledescription"
            ),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="agent",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to="provenance.agent"
            ),
        ),
        migrations.AddField(
            model_name="entity",
            name="withdrawal",
            field=models.ForeignKey(
                blank=True,
                help_text="gateway: touched by it",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="provenance.withdrawal",
            ),
        ),
        migrations.AddConstraint(
            model_name="configfile",
            constraint=models.UniqueConstraint(fields=("activity", "name"), name="one_file_per_name"),
        ),
        migrations.AddIndex(
            model_name="withdrawal",
            index=models.Index(fields=["subject"], name="provenance_withdrawn"),
        ),
        migrations.RunSQL(NEW, DROP),
    ]
