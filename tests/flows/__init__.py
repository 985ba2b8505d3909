"""Whole stories through the front door."""
