"""The page of one job: its forms, its versions, trying it out, and what the editor asks while one types."""
