"""Inboxes are opened by passwords and signatures as well as by keys, and know when one that had worked was refused."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import openfn_platform.common.ids
import openfn_platform.common.tenancy
from openfn_platform.common.tenancy import TenantConstraint


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0001_projects_and_people"),
        ("triggers", "0003_clock"),
    ]

    operations = [
        migrations.CreateModel(
            name="InboxSecret",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=openfn_platform.common.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("ciphertext", models.BinaryField()),
                ("key_id", models.CharField(db_index=True, editable=False, max_length=32)),
            ],
            options={
                "db_table": "inbox_secret",
            },
        ),
        migrations.AddField(
            model_name="inboxauth",
            name="password_hash",
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.AddField(
            model_name="inboxauth",
            name="refusal_told_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="inboxauth",
            name="refused_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="inboxauth",
            name="refused_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="inboxauth",
            name="username",
            field=models.CharField(blank=True, editable=False, max_length=100),
        ),
        migrations.AlterField(
            model_name="inbox",
            name="access",
            field=models.CharField(
                choices=[
                    ("none", "Anybody who knows the address"),
                    ("key", "Only who has a key, a password or a signing secret of this inbox"),
                ],
                default="key",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="inboxauth",
            name="digest",
            field=models.BinaryField(blank=True, max_length=32, null=True),
        ),
        migrations.AlterField(
            model_name="inboxauth",
            name="kind",
            field=models.CharField(
                choices=[("key", "API key"), ("basic", "User and password"), ("hmac", "Signature")],
                default="key",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="inboxauth",
            name="prefix",
            field=models.CharField(blank=True, editable=False, max_length=12),
        ),
        migrations.AddIndex(
            model_name="inboxauth",
            index=models.Index(
                condition=models.Q(("refused_since__isnull", False)),
                fields=["refused_since"],
                name="inbox_auth_refused",
            ),
        ),
        migrations.AddConstraint(
            model_name="inboxauth",
            constraint=models.UniqueConstraint(fields=("project", "id"), name="inbox_auth_project_id_unique"),
        ),
        migrations.AddField(
            model_name="inboxsecret",
            name="auth",
            field=openfn_platform.common.tenancy.TenantKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="secrets",
                to="triggers.inboxauth",
            ),
        ),
        migrations.AddField(
            model_name="inboxsecret",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="projects.project"
            ),
        ),
        migrations.AddConstraint(
            model_name="inboxsecret",
            constraint=models.UniqueConstraint(fields=("auth",), name="inbox_secret_once"),
        ),
        TenantConstraint("inbox_secret", "auth_id", "inbox_auth"),
    ]
