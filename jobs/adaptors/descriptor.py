"""A thin system described instead of programmed: where it is, how one logs in, what it can do.

    ADAPTOR = Descriptor(
        name="openhim", title="OpenHIM", summary="…", schema=credential({…}, required=(…)),
        base="{apiUrl}", auth=basic("username", "password"), test="/heartbeat",
        calls=(
            Call("get_channels", "(name=None)", "GET", "/channels", query={"name": "name"}, help="…", example="…"),
        ),
    ).adaptor()

`{field}` in `base` is a field of the credential, `{field|other}` has a default; `{name}` in a call's path is one of
its parameters, quoted. Everything else (retries, redaction, trace, dry run, paging, errors) is the engine's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote

from jobs.adaptors.auth import Auth, Basic, HeaderKey, NoAuth, OpenHeader, QueryKey, Several
from jobs.adaptors.auth import bearer as bearer_key
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, ValidationError
from jobs.adaptors.paging import Paging, SinglePage, dig
from jobs.adaptors.signing_in import CookieLogIn, SignIn
from jobs.adaptors.signing_in import client_credentials as credentials_grant
from jobs.adaptors.spec import AdaptorSpec, operation

Configuration = dict[str, Any]
MakeAuth = Callable[[Configuration], Auth]
Path = str | Callable[[Configuration], str]  # always the same, or by what the credential says
DEFAULT_MAX = 10_000
SEVERAL_PARTS = ("path", "kind")  # what a job may write with slashes, as `sites/root/lists`


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error inside an answer that looks like a success: when `when` is there (and, if given, is not `good`)."""

    when: str  # dotted path
    good: tuple[Any, ...] = ()  # values that are no error
    message: str = ""  # dotted path of the words; the value at `when` if there are none
    retryable: bool = False


@dataclass(frozen=True)
class Call:
    """One named operation."""

    name: str
    signature: str  # as Python has it: "(project_id, *, status=None)"
    method: str
    path: str
    help: str = field(kw_only=True)  # first line: what it does
    example: str = field(kw_only=True)
    query: Mapping[str, str] = field(kw_only=True, default_factory=dict)  # theirs -> ours
    body: str = field(kw_only=True, default="")  # the parameter that is sent
    fields: Mapping[str, str] = field(kw_only=True, default_factory=dict)  # or several, theirs -> ours
    fixed: Mapping[str, Any] = field(kw_only=True, default_factory=dict)  # always part of the body
    content_type: str | None = field(kw_only=True, default=None)
    take: str = field(kw_only=True, default="")  # dotted path of what is given back
    paging: Paging | None = field(
        kw_only=True, default=None
    )  # then it gives back a list; `take` is its place
    read_only: bool = field(kw_only=True, default=False)  # a POST that only asks
    headers: Mapping[str, str] = field(kw_only=True, default_factory=dict)  # theirs -> ours
    key: str = field(kw_only=True, default="")  # the parameter that makes repeating safe

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD") and not self.read_only


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """One thin system."""

    name: str
    title: str
    summary: str
    schema: dict[str, Any]
    base: Path
    auth: MakeAuth = lambda configuration: NoAuth()
    prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Accept": "application/json"})
    words: tuple[str, ...] = ()  # dotted paths of error words, before the usual ones
    problems: tuple[Problem, ...] = ()
    verbs: tuple[str, ...] = ("get", "post", "put", "patch", "delete", "request")
    items: str = ""  # where `each` finds the records of a page
    paging: Paging | None = None  # how `each` goes through pages
    calls: tuple[Call, ...] = ()
    methods: tuple[Callable[..., Any], ...] = ()  # operations that take more than one request
    test: Path = ""

    def adaptor(self) -> AdaptorSpec:
        """As the registry wants it."""
        return AdaptorSpec(
            name=self.name, title=self.title, summary=self.summary, schema=self.schema, client=self.client()
        )

    def client(self) -> type[ThinClient]:
        """The client class; its methods carry their help and signature."""
        members: dict[str, Any] = {
            "descriptor": self,
            "system": self.title,
            "schema": self.schema,
            "prefix": self.prefix,
            "headers": self.headers,
            "message_paths": (*self.words, *RestClient.message_paths),
            "__doc__": self.summary,
        }
        verbs = [each for each in self.verbs if each != "each"] + (["each"] if self.paging else [])
        members |= {verb: _verb(verb, self) for verb in verbs}
        members |= {call.name: _method(call) for call in self.calls}
        members |= {method.__name__: method for method in self.methods}
        return type(f"{self.title}Client".replace(" ", ""), (ThinClient,), members)


class ThinClient(RestClient):
    """A connection to a described system. The verbs that jobs may call are added by the descriptor."""

    descriptor: ClassVar[Descriptor]

    def base_url(self, configuration: Configuration) -> str:
        return filled(self.descriptor.base, configuration)

    def authenticate(self, configuration: Configuration) -> Auth:
        given = {name: value for name, value in configuration.items() if value not in (None, "")}
        return self.descriptor.auth({**_defaults(self.schema), **given})

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        path = filled(self.descriptor.test, self._configuration)
        if not path:
            return super().test()
        self.get(path)
        return f"{self.system} accepts the credential."

    def problem(self, response: Response) -> AdaptorError | None:
        for each in self.descriptor.problems:
            found = dig(response.body, each.when)
            absent = found in (None, "", [], {}) or (not each.good and not found)
            if absent or found in each.good:  # `success: false` is there, and is not good
                continue
            words = dig(response.body, each.message) if each.message else found
            return AdaptorError(
                f"{self.system}: {' '.join(self.redact(str(words)).split())[:400]}",
                status=response.status,
                body=response.body,
                retryable=each.retryable,
                sent=True,
            )
        return None

    def call(self, call: Call, given: Mapping[str, Any]) -> Any:
        """Make a named operation."""
        path = _path(call, given)
        params = {theirs: given[ours] for theirs, ours in call.query.items() if given.get(ours) is not None}
        if call.paging is not None:
            return self._listed(call, path, params, given)
        response = self.request(
            call.method,
            path,
            _body(call, given),
            params=params,
            headers={theirs: str(given[ours]) for theirs, ours in call.headers.items() if given.get(ours)},
            content_type=call.content_type,
            read_only=call.read_only,
            idempotency_key=str(given[call.key]) if call.key and given.get(call.key) else None,
        )
        if not call.take or response.status == 204:
            return response.body
        return dig(self.part(response.body, kind=(dict, list)), call.take)

    def _listed(self, call: Call, path: str, params: dict[str, Any], given: Mapping[str, Any]) -> list[Any]:
        wanted = DEFAULT_MAX if given.get("max") is None else max(0, given["max"])
        if not wanted:
            return []
        found = list(self.records(path, params=params, paging=call.paging, items=call.take, max=wanted + 1))
        if len(found) > wanted and given.get("max") is None:
            self.context.log(
                "warning", f"{self.system} has more than {wanted:,} records here; pass max=… to read more."
            )
        return found[:wanted]


# ---- ways to log in, by names of credential fields ---------------------------------------------------------


def basic(username: str, password: str) -> MakeAuth:
    return lambda given: Basic(str(given.get(username) or ""), str(given.get(password) or ""))


def fixed_basic(username: str, password: str) -> MakeAuth:
    """Basic with a user name that is always the same, as `api` with a key for password."""
    return lambda given: Basic(username, str(given.get(password) or ""))


def bearer(token: str) -> MakeAuth:
    return lambda given: bearer_key(str(given[token])) if given.get(token) else NoAuth()


def header(name: str, key: str, prefix: str = "") -> MakeAuth:
    return lambda given: HeaderKey(name, str(given[key]), prefix) if given.get(key) else NoAuth()


def open_header(name: str, field: str) -> MakeAuth:
    """A header that is part of the log-in but no secret, as the name of an environment."""
    return lambda given: OpenHeader(name, str(given[field])) if given.get(field) else NoAuth()


def query(name: str, key: str) -> MakeAuth:
    return lambda given: QueryKey(name, str(given[key])) if given.get(key) else NoAuth()


def first_of(*ways: tuple[str, MakeAuth]) -> MakeAuth:
    """The first way whose field is filled in: `first_of(("token", bearer("token")), ("password", basic(…)))`."""

    def choose(given: Configuration) -> Auth:
        return next((make(given) for name, make in ways if given.get(name)), NoAuth())

    return choose


def both(*ways: MakeAuth) -> MakeAuth:
    """Several at once, as a token and a subscription key."""
    return lambda given: Several(tuple(make(given) for make in ways))


def log_in(
    path: str,
    fields: Mapping[str, str],
    *,
    as_basic: tuple[str, str] | None = None,
    token: str = "token",  # noqa: S107  (where it is, not what)
    form: bool = False,
    header: str = "Authorization",
    prefix: str = "Bearer",
    param: str = "",
    method: str = "POST",
) -> MakeAuth:
    """A token by log-in; `fields` maps their names to fields of the credential (or to `=text`)."""

    def make(given: Configuration) -> Auth:
        return SignIn(
            _request(method, path, fields, given, form=form, as_basic=as_basic),
            token=token,
            header=header,
            prefix=prefix,
            param=param,
            also=_typed(fields, given) + (_basic_of(as_basic, given).secrets() if as_basic else ()),
        )

    return make


def cookie_log_in(path: str, fields: Mapping[str, str], *, form: bool = False) -> MakeAuth:
    """A session cookie by log-in."""
    return lambda given: CookieLogIn(
        _request("POST", path, fields, given, form=form), also=_typed(fields, given)
    )


def client_credentials(
    path: str, *, client_id: str, client_secret: str, in_body: bool = False, scope: str = "", **form: str
) -> MakeAuth:
    """OAuth 2's client credentials; `path` may hold fields of the credential."""
    return lambda given: credentials_grant(
        filled(path, given),
        client_id=str(given.get(client_id) or ""),
        client_secret=str(given.get(client_secret) or ""),
        in_body=in_body,
        scope=scope,
        **{theirs: _value(ours, given) for theirs, ours in form.items()},
    )


def filled(template: Path, configuration: Mapping[str, Any]) -> str:
    """`{field}` and `{field|default}` replaced by what the credential says."""
    if callable(template):
        template = template(dict(configuration))

    def value(found: re.Match[str]) -> str:
        return str(configuration.get(found[1]) or found[2] or "")

    return re.sub(r"\{(\w+)(?:\|([^}]*))?\}", value, template)


# ---- inside ----------------------------------------------------------------------------------------------


def _request(
    method: str,
    path: str,
    fields: Mapping[str, str],
    given: Configuration,
    *,
    form: bool,
    as_basic: tuple[str, str] | None = None,
) -> Callable[[RestClient], Response]:
    data = {theirs: _value(ours, given) for theirs, ours in fields.items()}

    def send(client: RestClient) -> Response:
        headers: dict[str, str] = {}
        if as_basic:
            _basic_of(as_basic, given).apply(headers, {})
        kind = "form" if form else None
        return client.ask(method, filled(path, given), data or None, content_type=kind, headers=headers)

    return send


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    fields = schema.get("properties", {}).items()
    return {name: rule["default"] for name, rule in fields if "default" in rule}


def _basic_of(fields: tuple[str, str], given: Configuration) -> Basic:
    return Basic(str(given.get(fields[0]) or ""), str(given.get(fields[1]) or ""))


def _value(name: str, given: Configuration) -> str:
    return name[1:] if name.startswith("=") else str(given.get(name) or "")


def _typed(fields: Mapping[str, str], given: Configuration) -> tuple[str, ...]:
    return tuple(str(given[ours]) for ours in fields.values() if "pass" in ours.lower() and given.get(ours))


def _path(call: Call, given: Mapping[str, Any]) -> str:
    def value(found: re.Match[str]) -> str:
        said = given.get(found[1])
        if said in (None, ""):
            raise ValidationError(f"{call.name}() needs {found[1]}.", sent=False)
        return quote(str(said), safe="/" if found[1] in SEVERAL_PARTS else "")

    return re.sub(r"\{(\w+)\}", value, call.path)


def _body(call: Call, given: Mapping[str, Any]) -> Any:
    if call.body:
        data = given[call.body]
        return {**call.fixed, **data} if call.fixed and isinstance(data, Mapping) else data
    named = {theirs: given[ours] for theirs, ours in call.fields.items() if given.get(ours) is not None}
    return {**call.fixed, **named} if call.fixed or call.fields else None


def _method(call: Call) -> Callable[..., Any]:
    signature = _signature(call.signature, paged=call.paging is not None)

    def method(self: ThinClient, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        return self.call(call, bound.arguments)

    method.__name__ = method.__qualname__ = call.name
    method.__doc__ = call.help + (
        f"\n\nAt most `max` records, {DEFAULT_MAX:,} unless told." if call.paging else ""
    )
    method.__signature__ = signature  # type: ignore[attr-defined]  # what help, linter and stubs read
    return operation(example=call.example, writes=call.writes)(method)


def _signature(text: str, *, paged: bool) -> inspect.Signature:
    """From `(a, b=None)`; with paging a keyword `max` is added."""
    names: dict[str, Any] = {}
    exec(f"def described{text}: ...", {}, names)  # noqa: S102  (our own descriptors, at import)
    parameters = list(inspect.signature(names["described"]).parameters.values())
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    if paged:
        parameters.append(inspect.Parameter("max", inspect.Parameter.KEYWORD_ONLY, default=None))
    return inspect.Signature([this, *parameters])


def _verb(verb: str, described: Descriptor) -> Callable[..., Any]:
    """One of the plain verbs, with help of its own for this system."""
    alias, title = described.name, described.title

    def request(self: ThinClient, method: str, path: str, data: Any = None, **options: Any) -> Response:
        return RestClient.request(self, method, path, data, **options)

    def get(self: ThinClient, path: str, *, params: Mapping[str, Any] | None = None, **options: Any) -> Any:
        return RestClient.get(self, path, params=params, **options).body

    def sending(self: ThinClient, path: str, data: Any = None, **options: Any) -> Any:
        return RestClient.request(self, verb.upper(), path, data, **options).body

    def delete(self: ThinClient, path: str, **options: Any) -> Any:
        return RestClient.delete(self, path, **options).body

    def each(
        self: ThinClient, path: str, *, params: Mapping[str, Any] | None = None, max: int = 1_000_000
    ) -> Iterator[Any]:
        return self.records(
            path, params=params, paging=described.paging or SinglePage(), items=described.items, max=max
        )

    known: dict[str, tuple[Callable[..., Any], str, str]] = {
        "request": (
            request,
            (
                f"Send a request of any method to {title}; `.body` is the parsed answer.\n\n"
                "Options are those of the `http` adaptor."
            ),
            f'{alias}.request("GET", "/path").body',
        ),
        "get": (get, f"Read from a path of {title}; gives back the parsed answer.", f'{alias}.get("/path")'),
        "post": (sending, f"Send data to a path of {title}.", f'{alias}.post("/path", {{"name": "x"}})'),
        "put": (
            sending,
            f"Replace what is at a path of {title}.",
            f'{alias}.put("/path/7", {{"name": "x"}})',
        ),
        "patch": (
            sending,
            f"Change part of what is at a path of {title}.",
            f'{alias}.patch("/path/7", {{"a": 1}})',
        ),
        "delete": (delete, f"Delete what is at a path of {title}.", f'{alias}.delete("/path/7")'),
        "each": (
            each,
            f"Every record of a long list of {title}, page by page, without holding them all.",
            f'for record in {alias}.each("/path"): …'.replace("…", "..."),
        ),
    }
    method, help_text, example = known[verb]
    method.__name__ = method.__qualname__ = verb
    method.__doc__ = help_text
    return operation(example=example, writes=verb not in ("get", "each"))(method)
