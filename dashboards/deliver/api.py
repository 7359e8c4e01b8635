"""Grafana's HTTP API by `grafana-client`: its answers, and its refusals as one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException
from niquests.exceptions import RequestException

from dashboards.deliver.errors import GrafanaError
from schemas.connections import GrafanaConnection

_TIMEOUT_S: Final = 30.0
_UNAUTHORISED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_CHANGED: Final = 412
_SAID_CHARS: Final = 200

Json = dict[str, Any]


class Grafana:
    """One Grafana, spoken to with one token."""

    def __init__(self, connection: GrafanaConnection) -> None:
        self._connection = connection
        token = connection.token.get_secret_value()
        user, colon, password = token.partition(":")
        credential = (user, password) if colon else token or None
        # Any: the client annotates its arguments and not its answers. The slash: without it a
        # path in the URL would run into `api`.
        self.api: Any = GrafanaApi.from_url(
            f"{connection.url}/", credential=credential, timeout=_TIMEOUT_S
        )

    def find(self, what: str, ask: Callable[..., Any], *arguments: object) -> Json | None:
        """The answer to a question for one thing; None where there is no such thing.

        Raises:
            GrafanaError: no answer, a refusal, or not the answer of a Grafana.
        """
        return self._call(what, ask, arguments, absent_is_none=True)

    def send(self, what: str, tell: Callable[..., Any], *arguments: object) -> None:
        """Make or change something.

        Raises:
            GrafanaError: as of `find`.
        """
        self._call(what, tell, arguments, absent_is_none=False)

    def _call(
        self,
        what: str,
        function: Callable[..., Any],
        arguments: tuple[object, ...],
        *,
        absent_is_none: bool,
    ) -> Json | None:
        try:
            answer = function(*arguments)
        except GrafanaClientError as exc:
            if exc.status_code == _NOT_FOUND and not _is_grafanas(exc.response):
                raise self._another() from exc
            if exc.status_code == _NOT_FOUND and absent_is_none:
                return None
            raise self._refused(what, exc) from exc
        except RequestException as exc:
            raise self._silent(type(exc).__name__) from exc
        except GrafanaException as exc:
            if exc.status_code:
                raise self._refused(what, exc) from exc
            raise self._silent("timeout") from exc
        if not isinstance(answer, dict):
            raise self._another()
        return answer

    def _another(self) -> GrafanaError:
        return GrafanaError(
            f"{self._connection} answers, but not as Grafana does; is QALA_GRAFANA_URL right?"
        )

    def _silent(self, why: str) -> GrafanaError:
        return GrafanaError(
            f"Grafana at {self._connection} does not answer ({why}); is it running, and is "
            "QALA_GRAFANA_URL right?"
        )

    def _refused(self, what: str, error: GrafanaException) -> GrafanaError:
        status = error.status_code
        if status == _UNAUTHORISED:
            return GrafanaError(
                f"Grafana at {self._connection} does not know the token; make one for a service "
                "account with the role Admin, and set QALA_GRAFANA_TOKEN"
            )
        said = _said(error.response)
        if status == _FORBIDDEN:
            return GrafanaError(
                f"Grafana at {self._connection} does not let this token handle {what} ({said}); "
                "give its service account the role Admin"
            )
        if status == _CHANGED:
            return GrafanaError(
                f"Grafana at {self._connection} will not have {what} replaced ({said}); delete it "
                "there, and push again"
            )
        return GrafanaError(f"Grafana at {self._connection} refused {what} ({status}: {said})")


def _is_grafanas(response: object) -> bool:
    """Whether a 404 is Grafana's own, and not some other server's page.

    Grafana says in JSON what isn't there; some paths of its alerting API say nothing.
    """
    return response == "" or (isinstance(response, dict) and "message" in response)


def _said(response: object) -> str:
    """Grafana's own words (its alerting API has another name for them), as one printable line."""
    words = (response.get("message") or response.get("msg")) if isinstance(response, dict) else None
    if not isinstance(words, str):
        return "no reason given"
    line = " ".join(words.split())[:_SAID_CHARS]
    return "".join(char if char.isprintable() else "?" for char in line)
