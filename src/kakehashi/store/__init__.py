"""The durable truth: tables, migrations, the group-committing writers (laws 1 and 2)."""
