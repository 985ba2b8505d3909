"""Thin systems, one descriptor a file. Each file here is an adaptor of that name; there is no other list."""
