"""Servers of other people's software for tests: real sockets, and a record of what they were asked.

Each is a context manager that leaves no thread, process or file behind. Those that not every machine has skip the
test and say what to install.
"""
