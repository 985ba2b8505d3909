"""CARTO's SQL API as a stand-in that executes the SQL for real, on a PostgreSQL database of its own.

What it leaves out of the real one: OAuth, JSONP, fallbacks of batch jobs, file formats other than JSON, GeoJSON and
CSV, and of PostGIS everything beyond what makes, reads and re-projects a geometry (see the two `.sql` files).
"""
