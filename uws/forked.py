"""In the process of a forked tool (`uws.zygote`): walls, rights, and what a fresh Python would find.

Standard library only, loaded by its path.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import errno
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import types

PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 24, 38
NAMESPACES = {
    "user": 0x10000000,
    "mnt": 0x00020000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
}
CAPABILITY_VERSION_3 = 0x20080522
MARK = "VOGATE_ATTEMPT"
PAD = "-" * 120
"""Room for the mark of an attempt in the environment as /proc shows it (see `sign`)."""

libc = ctypes.CDLL(None, use_errno=True)


def enter(pid: int) -> None:
    """Join the namespaces of a process, at once: one after the other is allowed to root alone."""
    flags = 0
    for name, flag in NAMESPACES.items():
        theirs = f"/proc/{pid}/ns/{name}"
        # One that is ours already cannot be joined again (no user namespace, or the host's network).
        if os.path.exists(theirs) and os.readlink(theirs) != os.readlink(f"/proc/self/ns/{name}"):
            flags |= flag
    if not flags & NAMESPACES["mnt"]:
        raise OSError(errno.EINVAL, "there are no walls")
    fd = os.pidfd_open(pid)
    try:
        if libc.setns(fd, flags):
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")
    finally:
        os.close(fd)


def give_up_privileges() -> None:
    """No capabilities, now or ever: whoever joins a user namespace has all of them there."""
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")
    number = 0
    while libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")
    # The kernel hides /proc/self from a process that has changed its rights; a tool's own is its own.
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def sign(mark: str) -> None:
    """Write the attempt's mark where /proc/<pid>/environ shows it, for those who look for what is left."""
    libc.getenv.restype = ctypes.c_void_p
    address = libc.getenv(MARK.encode())
    data = mark.encode()
    if address and len(data) <= len(PAD):
        ctypes.memmove(address, data.ljust(len(PAD), b"\0"), len(PAD))


def default_signals() -> None:
    """As a Python finds them that was just started."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)


def run_script(argv: list[str]) -> int:
    """Run a script as `python script argument...` does; returns its exit status.

    Parameters
    ----------
    argv
        The interpreter, the script, its arguments.
    """
    start_afresh()
    script = argv[1]
    sys.argv = argv[1:]
    # Behind the walls there may be less than where the zygote started.
    sys.path[:] = [p for p in sys.path if p.endswith(".zip") or not p.startswith("/") or os.path.exists(p)]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=script, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = main
    code = 0
    try:
        with open(script, "rb") as file:
            source = file.read()
        exec(compile(source, script, "exec"), main.__dict__)  # noqa: S102  the tool's own program
    except SystemExit as leaving:
        code = exit_status(leaving.code)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120
    return code


def start_afresh() -> None:
    """Forget what all children of a zygote would share, and a cold start would not."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    tempfile.tempdir = None
    time.tzset()
    gc.enable()


def exit_status(code: object) -> int:
    """What a process ends with for the argument of `sys.exit`."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1
