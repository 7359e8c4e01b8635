"""A server that answers as Grafana's documentation says, and refuses what it doesn't mention.

It is no Grafana: it knows which things were made, checks paths, tokens and the names of fields,
and gives the documented answers. What a real Grafana does with a board, it can't say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

TOKEN = "glsa_a-made-up-token"
_NAME = re.compile(r"\{([a-z.]+)\}")


class Request(NamedTuple):
    """One request as it came in."""

    method: str
    path: str
    body: Any


@dataclass
class Script:
    """What the server has, what it shall answer, and what it heard.

    ``has`` are the paths that are there to GET; ``answers`` gives the status for some requests
    (``POST /api/dashboards/db``) instead of 200 or 404; ``more`` adds to the answer of a path.
    """

    calls: list[dict[str, Any]]
    has: set[str] = field(default_factory=set)
    answers: dict[str, int] = field(default_factory=dict)
    more: dict[str, dict[str, Any]] = field(default_factory=dict)
    heard: list[Request] = field(default_factory=list)
    undocumented: list[str] = field(default_factory=list)

    def answer(self, request: Request, token: str | None) -> tuple[int, Any]:
        """Status and body for one request; what isn't documented is noted, too."""
        self.heard.append(request)
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "Unauthorized"}
        call, names = self._call(request)
        if call is None:
            return self._refuse(404, f"no such path: {request.method} {request.path}")
        wrong = list(_wrong_fields(call["request"], request.body))
        if wrong:
            return self._refuse(400, f"{request.method} {request.path}: {', '.join(wrong)}")
        status = self.answers.get(f"{request.method} {request.path}", 200)
        if status == 200 and request.method == "GET" and request.path not in self.has:
            status = 404
        if status == 200 and "makes" in call["request"]:
            self.has.add(_filled(call["request"]["makes"], {**names, "body": request.body}))
        body = json.loads(_filled(json.dumps(call["answers"][str(status)]), names, strict=False))
        return status, body | self.more.get(request.path, {}) if status == 200 else body

    def _call(self, request: Request) -> tuple[dict[str, Any] | None, dict[str, str]]:
        for call in self.calls:
            pattern = _NAME.sub(r"(?P<\1>[^/]+)", call["request"]["path"])
            match = re.fullmatch(pattern, request.path)
            if match and call["request"]["method"] == request.method:
                return call, match.groupdict()
        return None, {}

    def _refuse(self, status: int, why: str) -> tuple[int, Any]:
        self.undocumented.append(why)
        return status, {"message": why}


def documented(file: Path) -> Script:
    """A script of the calls that are written down in ``file``."""
    return Script(calls=json.loads(file.read_text(encoding="utf-8"))["calls"])


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """Serve on a free port of loopback; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            path = self.path.partition("?")[0]
            request = Request(self.command, path, body)
            status, answer = script.answer(request, self.headers.get("Authorization"))
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815 - the base's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving_by(Handler) as url:
        yield url


@contextmanager
def serving_by(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve by ``handler`` on a free port of loopback; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _wrong_fields(form: Mapping[str, Any], body: Any, at: str = "") -> Iterator[str]:
    if "fields" not in form:
        if body is not None:
            yield f"a body where none is documented at {at or 'the top'}"
        return
    yield from (f"{at}{name} is not documented" for name in body if name not in form["fields"])
    yield from (f"{at}{name} is missing" for name in form["required"] if name not in body)
    for name, inner in form.get("items", {}).items():
        for number, item in enumerate(body.get(name, [])):
            yield from _wrong_fields(inner, item, f"{at}{name}[{number}].")


def _filled(text: str, values: Mapping[str, Any], *, strict: bool = True) -> str:
    """``text`` with ``{name}`` and ``{name.inner}`` replaced."""

    def value(match: re.Match[str]) -> str:
        found: Any = values
        for part in match[1].split("."):
            if part not in found and not strict:
                return match[0]
            found = found[part]
        return str(found)

    return _NAME.sub(value, text)
