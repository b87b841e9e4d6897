"""The same job from a terminal: pyvo, curl and `vogate` commands that can be copied and run as they are."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uws.tools.description import Tool


@dataclass(frozen=True)
class Script:
    """One way to make the job without the page."""

    key: str
    label: str
    text: str


def fields_of(parameters: Mapping[str, Any], inputs: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Parameters and inputs as the name and value pairs of a UWS request."""
    pairs = [(role, identifier) for role, identifiers in inputs.items() for identifier in identifiers]
    for name, value in parameters.items():
        items = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, text_of(item)) for item in items]
    return pairs


def text_of(value: Any) -> str:
    """A value as a request carries it; floats without binary dust."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def scripts(
    tool: Tool,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Sequence[str]],
    base_url: str,
    *,
    files: Sequence[tuple[str, str]] = (),
    run_id: str = "",
    needs_token: bool = False,
) -> list[Script]:
    """pyvo, curl and vogate forms of one call.

    Parameters
    ----------
    base_url
        Public URL of the service, without a slash at its end.
    files
        Input roles and names of files that the caller sends with the request.
    needs_token
        The caller is signed in: the scripts send the API token in VOGATE_TOKEN, so that the job is theirs.
    """
    fields = fields_of(parameters, inputs)
    endpoint = f"{base_url}/uws/{tool.id}/async"
    return [
        Script("pyvo", "pyvo", _pyvo(endpoint, fields, files, run_id, needs_token)),
        Script("curl", "curl", _curl(endpoint, fields, files, run_id, needs_token)),
        Script("vogate", "vogate", _vogate(base_url, tool.id, fields, files, run_id, needs_token)),
    ]


Pairs = Iterable[tuple[str, str]]


def _pyvo(endpoint: str, fields: Pairs, files: Pairs, run_id: str, needs_token: bool) -> str:
    pairs = [*fields, *([("RUNID", run_id)] if run_id else []), ("PHASE", "RUN")]
    lines = "\n".join(f"    ({name!r}, {value!r})," for name, value in pairs)
    imports = "import os\n\n" if needs_token else ""
    token = (
        'session.headers["Authorization"] = f"Bearer {os.environ[\'VOGATE_TOKEN\']}"\n' if needs_token else ""
    )
    sent = "".join(f"    ({role!r}, open({name!r}, 'rb')),\n" for role, name in files)
    also = f"], files=[\n{sent}" if sent else ""
    return f"""{imports}import requests
from pyvo.dal.tap import AsyncTAPJob  # drives any UWS job

session = requests.Session()
{token}answer = session.post({endpoint!r}, data=[
{lines}
{also}])
answer.raise_for_status()
job = AsyncTAPJob(answer.url, session=session)
print(job.url)
job.wait()
job.raise_if_error()
for result in job.results:
    answer = session.get(result.href)
    name = answer.headers["Content-Disposition"].partition("filename=")[2].strip('"')
    with open(name, "wb") as file:
        file.write(answer.content)
    print(name, result.mimetype)
"""


def _curl(endpoint: str, fields: Pairs, files: Pairs, run_id: str, needs_token: bool) -> str:
    pairs = [*fields, *([("RUNID", run_id)] if run_id else []), ("PHASE", "RUN")]
    token = ' -H "Authorization: Bearer $VOGATE_TOKEN"' if needs_token else ""
    sent = "".join(f" \\\n  -F {shlex.quote(_form_file(role, name))}" for role, name in files)
    option = "--form-string" if sent else "--data-urlencode"  # curl mixes none of the latter with files
    arguments = "".join(f" \\\n  {option} {shlex.quote(f'{name}={value}')}" for name, value in pairs) + sent
    return f"""job=$(curl -sS{token} -o /dev/null -w '%{{redirect_url}}'{arguments} \\
  {shlex.quote(endpoint)})
echo "$job"
for wait in QUEUED EXECUTING; do
  while [ "$(curl -sS{token} "$job/phase")" = $wait ]; do
    curl -sS{token} -o /dev/null "$job?PHASE=$wait&WAIT=30"
  done
done
curl -sS{token} "$job/phase"; echo
curl -sS{token} -o results.zip "$job/results.zip"
"""


def _form_file(role: str, name: str) -> str:
    """A file for curl's `-F`, whose names have a syntax of their own."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{role}=@"{escaped}"'


def _vogate(base_url: str, tool: str, fields: Pairs, files: Pairs, run_id: str, needs_token: bool) -> str:
    words = "".join(f" \\\n  {shlex.quote(f'{name}={value}')}" for name, value in fields)
    words += "".join(f" \\\n  --file {shlex.quote(f'{role}={name}')}" for role, name in files)
    label = f" --run-id {shlex.quote(run_id)}" if run_id else ""
    token = "# the API token is taken from $VOGATE_TOKEN\n" if needs_token else ""
    return f"{token}vogate run --url {shlex.quote(base_url)}{label} {shlex.quote(tool)}{words}\n"
