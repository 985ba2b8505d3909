"""Finding a person: words taken out of what is stored, and a search through every place that may name somebody."""
