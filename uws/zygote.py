"""The zygote: a process that has loaded a tool's libraries and forks attempts which find them loaded.

Usage: python zygote.py SOCKET_FD [MODULE...]

It imports the modules, says `ready` on the socket, and then forks one shepherd for each attempt's folder that
it is told.  That shepherd is `uws.shepherd` in all it does (lock, fence, limits, logs, exit record, kills),
except that its tool is not executed but forked: it enters bubblewrap's walls and runs the script there.
Without modules it is a nursery: its shepherds execute their tools as others do, and only their own start is saved.

The walls are bubblewrap's own, made as for a cold start around a program that only waits.  The tool's process
joins their namespaces, gives up all capabilities, and closes whatever it has not opened itself.  If any of
that fails the attempt starts cold, which its log says.

Standard library only; it runs under the interpreter of the tool's own environment.
"""

import sys

if __name__ == "__main__":
    del sys.path[0]  # this folder has a queue.py, which is not the library's

import gc
import importlib
import importlib.util
import json
import os
import resource
import select
import signal
import socket
import time
import traceback
import types

WALLS_SECONDS = 10.0


def _load(name: str) -> types.ModuleType:
    """A module of this folder, which is not where modules are looked for."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"vogate_{name}", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shepherd, forked = _load("shepherd"), _load("forked")
PAD = forked.PAD


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
                    forked.enter(inside)
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
        forked.sign(self.spec["env"].get(forked.MARK, ""))
        if self.spec["warm"]["walls"]:
            forked.give_up_privileges()
        os.umask(0o022)
        for name, value in self.spec.get("rlimits", {}).items():
            shepherd._limit(getattr(resource, name), int(value))
        os.chdir(self.spec["cwd"])
        shepherd.libc.prctl(shepherd.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.set_blocking(go, False)
        try:
            if os.read(go, 1) == b"":  # the shepherd is dead already
                os._exit(127)
        except BlockingIOError:
            pass
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        forked.default_signals()
        os.environ.clear()
        os.environ.update(self.spec["env"])
        if self.spec["warm"]["walls"]:
            os.environ["PWD"] = self.spec["cwd"]  # bubblewrap sets it
        os._exit(forked.run_script(self.spec["warm"]["argv"]))


def _read_line(fd: int) -> str:
    data = b""
    while not data.endswith(b"\n"):
        block = os.read(fd, 1024)
        if not block:
            break
        data += block
    return data.decode(errors="replace").strip()


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


def give_birth(folder: str, kind: type) -> None:
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
        code = shepherd.main(folder, kind)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        os._exit(code)


def serve(connection: socket.socket, kind: type) -> None:
    """Fork shepherds of a kind until the worker closes the socket."""
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
                    give_birth(folder, kind)
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
    serve(connection, WarmShepherd if argv[1:] else shepherd.Shepherd)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
