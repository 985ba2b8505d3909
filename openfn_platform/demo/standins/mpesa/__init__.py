"""Safaricom's Daraja (M-Pesa) API as a stand-in."""
