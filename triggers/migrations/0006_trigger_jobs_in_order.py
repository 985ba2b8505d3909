"""The jobs of a trigger are read in the order in which they were added: until now in any. Nothing in the database changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("triggers", "0005_inbox_modes")]

    operations = [migrations.AlterModelOptions(name="triggerjob", options={"ordering": ["id"]})]
