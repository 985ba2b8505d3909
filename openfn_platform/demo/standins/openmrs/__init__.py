"""The OpenMRS stand-in: REST (`/ws/rest/v1`) and a little of FHIR (`/ws/fhir2/R4`)."""
