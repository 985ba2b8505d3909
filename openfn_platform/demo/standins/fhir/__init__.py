"""The FHIR stand-in: an R4 server with versions, conditions, search, patches, batches and transactions."""
