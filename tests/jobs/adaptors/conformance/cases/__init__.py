"""One entry per adaptor; a file of its name with a `CASE`."""
