"""The zygote: a process that has loaded a tool's libraries and forks attempts which find them loaded.

Usage: python zygote.py SOCKET_FD MODULE...

It imports the modules, says `ready` on the socket, and then forks one shepherd for each attempt's folder that
it is told.  That shepherd is `uws.shepherd` in all it does (lock, fence, limits, logs, exit record, kills),
except that its tool is not executed but forked: it enters bubblewrap's walls and runs the script there.

The walls are bubblewrap's own, made as for a cold start around a program that only waits.  The tool's process
joins their namespaces, gives up all capabilities, and closes whatever it has not opened itself.  If any of
that fails the attempt starts cold, which its log says.

Standard library only; it runs under the interpreter of the tool's own environment.
"""

import sys

if __name__ == "__main__":
    del sys.path[0]  # this folder has a queue.py, which is not the library's

import atexit
import builtins
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import random
import resource
import select
import signal
import socket
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
WALLS_SECONDS = 10.0
MARK = "VOGATE_ATTEMPT"
PAD = "-" * 120
"""Room for the mark of an attempt in the environment as /proc shows it (see `sign`)."""

libc = ctypes.CDLL(None, use_errno=True)


def _load_shepherd() -> types.ModuleType:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shepherd.py")
    spec = importlib.util.spec_from_file_location("vogate_shepherd", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shepherd = _load_shepherd()


class WarmShepherd(shepherd.Shepherd):  # type: ignore[misc, name-defined]
    """A shepherd whose tool is forked from it, with all that the zygote has loaded."""

    def __init__(self, folder: str, spec: dict) -> None:  # type: ignore[type-arg]
        super().__init__(folder, spec)
        self.walls: set[int] = set()
        self.keeper: int | None = None
        """While it is open the walls stand."""

    def start(self) -> None:
        warm = self.spec["warm"]
        try:
            inside = self.build_walls(warm["walls"]) if warm["walls"] else 0
            self.fork_tool(inside)
        except (OSError, TimeoutError) as error:
            self.close_walls()
            self.logs.note(f"A warm start was not possible ({error}); this is a cold one.")
            super().start()

    # -- walls --------------------------------------------------------------------------------------

    def build_walls(self, argv: list[str]) -> int:
        """Have bubblewrap put up the walls around `cat`; its process id once they stand."""
        there_read, there_write = os.pipe2(os.O_CLOEXEC)
        back_read, back_write = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                shepherd.libc.prctl(shepherd.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                if os.getppid() == parent:
                    os.dup2(there_read, 0)
                    os.dup2(back_write, 1)
                    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                    signal.set_wakeup_fd(-1)
                    os.execve(argv[0], argv, self.spec["env"])
            finally:
                os._exit(127)
        os.close(there_read)
        os.close(back_write)
        self.keeper = there_write
        try:
            os.write(there_write, b"\n")
            ready, _, _ = select.select([back_read], [], [], WALLS_SECONDS)
            if not ready or os.read(back_read, 1) != b"\n":
                raise TimeoutError("bubblewrap did not put up its walls")
        finally:
            os.close(back_read)
        self.walls = set(self.descendants())
        inside = [one for one in self.walls if shepherd._command(one) == "cat"]
        if not inside:
            raise OSError("what waits behind bubblewrap's walls was not found")
        return inside[0]

    def left(self) -> list[int]:
        return [pid for pid in self.descendants() if pid not in self.walls]

    def watch(self, wake: int) -> None:
        super().watch(wake)
        if not self.why:
            # As at a cold start: when the tool has ended, what it left behind the walls ends with them.
            self.close_walls()

    def close_walls(self) -> None:
        """Let what waits behind the walls end; the kernel ends all else that is there."""
        if self.keeper is None:
            return
        os.close(self.keeper)
        self.keeper = None
        end = time.monotonic() + 1.0
        while self.walls & set(self.descendants()) and time.monotonic() < end:
            self.reap()
            time.sleep(0.002)
        for pid in self.walls & set(self.descendants()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.reap()

    # -- the tool -----------------------------------------------------------------------------------

    def fork_tool(self, inside: int) -> None:
        """Fork the tool: once, or, behind walls, twice, since only a child is in another process namespace."""
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        go_read, self.go = os.pipe2(os.O_CLOEXEC)
        tell_read, tell_write = os.pipe2(os.O_CLOEXEC)
        first = os.fork()
        if first == 0:
            try:
                os.setsid()
                os.close(self.go)
                if inside:
                    enter(inside)
                    second = os.fork()
                    if second:
                        # The tool is the shepherd's from now on: a subreaper takes in orphans.
                        os.write(tell_write, f"pid {second}\n".encode())
                        os._exit(0)
                    os.setsid()
                self.become_tool(go_read, out_write, err_write)
            except BaseException as error:  # noqa: BLE001  it must not go on as a second shepherd
                os.write(tell_write, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(127)
        for fd in (out_write, err_write, go_read, tell_write):
            os.close(fd)
        told = _read_line(tell_read) if inside else ""
        os.close(tell_read)
        if inside:
            os.waitpid(first, 0)
        if inside and not told.startswith("pid "):
            for fd in (out_read, err_read, self.go):
                os.close(fd)
            raise OSError(told or "the walls could not be entered")
        self.child = int(told[4:]) if inside else first
        self.pipes = {out_read: 0, err_read: 1}
        for fd in self.pipes:
            os.set_blocking(fd, False)
        self.logs.note("Warm start: the tool's libraries were loaded already.")
        os.write(self.go, b"g")

    def become_tool(self, go: int, out: int, err: int) -> None:
        """In the tool's process, behind the walls: give up what a tool does not have, and run the script."""
        if os.read(go, 1) != b"g":
            os._exit(127)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sign(self.spec["env"].get(MARK, ""))
        if self.spec["warm"]["walls"]:
            give_up_privileges()
        os.umask(0o022)
        for name, value in self.spec.get("rlimits", {}).items():
            shepherd._limit(getattr(resource, name), int(value))
        os.chdir(self.spec["cwd"])
        libc.prctl(shepherd.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.set_blocking(go, False)
        try:
            if os.read(go, 1) == b"":  # the shepherd is dead already
                os._exit(127)
        except BlockingIOError:
            pass
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        default_signals()
        os.environ.clear()
        os.environ.update(self.spec["env"])
        if self.spec["warm"]["walls"]:
            os.environ["PWD"] = self.spec["cwd"]  # bubblewrap sets it
        os._exit(run_script(self.spec["warm"]["argv"]))


def _read_line(fd: int) -> str:
    data = b""
    while not data.endswith(b"\n"):
        block = os.read(fd, 1024)
        if not block:
            break
        data += block
    return data.decode(errors="replace").strip()


def enter(pid: int) -> None:
    """Join the namespaces of a process, at once: one after the other is allowed to root alone."""
    flags = 0
    for name, flag in NAMESPACES.items():
        theirs = f"/proc/{pid}/ns/{name}"
        # One that is ours already cannot be joined again (no user namespace, or the host's network).
        if os.path.exists(theirs) and os.readlink(theirs) != os.readlink(f"/proc/self/ns/{name}"):
            flags |= flag
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
    sys.path[:] = [path for path in sys.path if path.endswith(".zip") or os.path.exists(path)]
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


# -- the zygote itself ------------------------------------------------------------------------------------


def load(names: list[str]) -> dict[str, object]:
    """Import the modules; what the worker is told of it."""
    began = time.monotonic()
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  whatever a library does when it is imported
            return {"error": f"{name} cannot be loaded ({type(error).__name__}: {error})"}
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        return {
            "error": f"{threads - 1} threads were started by the modules; such a process cannot be forked"
        }
    gc.collect()
    gc.freeze()
    return {"ready": True, "seconds": round(time.monotonic() - began, 3), "path": sys.path}


def give_birth(folder: str) -> None:
    """In the child: be the shepherd of the attempt in `folder`."""
    code = 1
    try:
        os.setsid()
        errors = os.open(os.path.join(folder, "shepherd.err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd, number in ((nothing, 0), (nothing, 1), (errors, 2)):
            os.dup2(fd, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.chdir("/")
        code = shepherd.main(folder, WarmShepherd)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        os._exit(code)


def serve(connection: socket.socket) -> None:
    """Fork until the worker closes the socket."""
    wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    rest = b""
    while True:
        for fd, _event in poll.poll():
            if fd == wake_read:
                os.read(wake_read, 4096)
                continue
            data = connection.recv(65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                folder = json.loads(line)["folder"]
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    give_birth(folder)
                answer = {"folder": folder, "pid": pid, "start": shepherd.process_start(pid)}
                connection.sendall(json.dumps(answer).encode() + b"\n")
        reap()


def reap() -> None:
    """Take in the shepherds that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main(argv: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=int(argv[0]))
    said = load(argv[1:])
    connection.sendall(json.dumps(said).encode() + b"\n")
    if "error" in said:
        return 1
    serve(connection)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
