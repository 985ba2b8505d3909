"""Stand-in partner servers: separate processes on real sockets, for the tests, the demo and the benchmarks.

They are written from what the real servers answer, not from our clients, so that they can judge them. Adding one is
one module with a `Partner` and one line in `kinds.py`. Pure: no Django.
"""
