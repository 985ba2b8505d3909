"""The page of one module of the library: its code, its versions, who uses it."""
