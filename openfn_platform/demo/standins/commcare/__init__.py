"""The CommCare HQ stand-in: list APIs, case API v2, form receiver, uploads, reports, forwarding."""
