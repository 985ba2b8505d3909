"""Making and changing triggers: one form a kind, and the next firings while one types."""
