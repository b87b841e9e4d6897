"""Runs the shared client with `http.client` repaired: `python -m tests.bench.client SCRIPT ARGUMENTS...`.

Before 3.11.8 `HTTPResponse.read1` does not notice that a body of known length has been read to its end
(CPython issue 113199).  The shared client then sends the next request on the connection, is told that the response
is not ready, closes the connection and sends the request again on another: the server sees each request twice, the
first of which a client that leaves.
"""

from __future__ import annotations

import http.client
import runpy
import sys


class Response(http.client.HTTPResponse):
    def read1(self, n: int = -1) -> bytes:
        data = super().read1(n)
        if self.length == 0 and not self.isclosed():
            self._close_conn()  # type: ignore[attr-defined]
        return data


def main() -> None:
    if sys.version_info < (3, 11, 8):
        http.client.HTTPConnection.response_class = Response  # type: ignore[misc]
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
