"""How a job's child process asks its supervisor something, and how it hears that this is not possible.

The child reaches neither the database nor Redis; the few things that it may know or remember go over one small,
bounded channel. Questions and answers are JSON objects:

    once.begin           {key}               -> {status: "new"} | {status: "done", result} | {status: "unsure"}
    once.done            {key, result}       -> {}
    once.undo            {key}               -> {}      the call is known not to have happened: a retry may make it
    step.state           {job}               -> {state: {…} or null}
    table.open           {table}             -> {known: false, tables: […]} | {known: true, kind, count, …a page}
    table.page           {table, after, prefix, whole} -> {rows: [[key, value] …], next: key or null, cut}
                         of a lookup table as a whole (`whole`) only as much as the run has room for: else it is `cut`
    table.get            {table, keys}       -> {rows, left: [keys for which there was no room]}
    table.set            {table, rows, ttl, if_absent} -> {done: [true or false …]}
    table.delete         {table, keys}       -> {removed: how many were there}
    echo.wrote           {system, id, hash}  -> {}
    echo.came_from_us    {system, id, hash}  -> {ours: true or false}
    secret.learn         {secret}            -> {}      masked from now on wherever the platform keeps something
    token.refresh        {connection, stale} -> {access_token} | {refused: sentence} | {unavailable: sentence}
                         `connection` is an alias, `stale` the SHA-256 of the access token that was refused
"""

from typing import Any, Protocol


class ChannelError(Exception):
    """The platform did not answer a question of the job."""


class Channel(Protocol):
    """What the sandbox gives to the language: one question, one answer."""

    def ask(self, question: str, body: dict[str, Any]) -> dict[str, Any]: ...
