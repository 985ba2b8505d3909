"""`ocl`: concepts and mappings of the Open Concept Lab."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, header
from jobs.adaptors.paging import PageNumber
from jobs.adaptors.spec import address, credential, secret

ADAPTOR = Descriptor(
    name="ocl",
    title="Open Concept Lab",
    summary="Concepts and mappings of the Open Concept Lab.",
    schema=credential(
        {
            "baseUrl": address(
                "Address", example="https://api.openconceptlab.org", default="https://api.openconceptlab.org"
            ),
            "token": secret("API token", "Only for what is not public."),
        },
        required=(),
    ),
    base="{baseUrl|https://api.openconceptlab.org}",
    auth=header("Authorization", "token", "Token"),
    paging=PageNumber(page="page", size_param="limit", size=100),
    calls=(
        Call(
            "get_mappings",
            "(owner, source, *, from_concept=None)",
            "GET",
            "/orgs/{owner}/sources/{source}/mappings/",
            query={"fromConcept": "from_concept"},
            paging=PageNumber(page="page", size_param="limit", size=100),
            help="Mappings of a source, all pages.",
            example='ocl.get_mappings("CIEL", "CIEL")',
        ),
        Call(
            "get_concepts",
            "(owner, source, *, q=None)",
            "GET",
            "/orgs/{owner}/sources/{source}/concepts/",
            query={"q": "q"},
            paging=PageNumber(page="page", size_param="limit", size=100),
            help="Concepts of a source, all pages; `q` searches.",
            example='ocl.get_concepts("CIEL", "CIEL", q="malaria")',
        ),
        Call(
            "get_concept",
            "(owner, source, concept)",
            "GET",
            "/orgs/{owner}/sources/{source}/concepts/{concept}/",
            help="One concept.",
            example='ocl.get_concept("CIEL", "CIEL", "116128")',
        ),
    ),
).adaptor()
