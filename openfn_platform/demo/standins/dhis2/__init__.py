"""The DHIS2 stand-in: metadata, data values, tracker in and out, the older event and entity endpoints."""
