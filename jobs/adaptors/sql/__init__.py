"""What `postgresql`, `mysql` and `mssql` have in common."""
