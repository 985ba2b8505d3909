"""Retention: what is older than a project keeps goes, in small batches beside the live load."""
