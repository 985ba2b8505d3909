"""Reading queries of the screens about what happened: one noun per module, bounded however long the history is."""
