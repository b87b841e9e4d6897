"""The web process: granian with the bridge (`python -m gateway.cli.web HOST PORT WORKERS`)."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from typing import Any

STOP_SECONDS = 5
"""What a process has to end by itself after SIGTERM."""


def _end_with(master: int) -> None:
    """End this process when its master has: granian's processes would go on serving the port, with nobody to stop them."""

    def watch() -> None:
        try:
            select.select([os.pidfd_open(master)], [], [])
        except OSError:  # a container that does not let us
            while os.getppid() == master:
                time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)

    if os.getppid() != master:
        os._exit(1)
    threading.Thread(target=watch, name="end-with-master", daemon=True).start()


def main(host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM."""
    from granian import Granian
    from granian._internal import load_target
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    master = os.getpid()

    def load(target: str) -> Any:
        """The application, in a process of its own."""
        _end_with(master)
        return load_target(target)

    Granian(
        "gateway.asgi:application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        http=HTTPModes.http1,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_SECONDS,
        backlog=2048,
        log_level=LogLevels.warning,
    ).serve(target_loader=load)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
