"""The shepherd: one detached process that runs one attempt of a job and outlives its worker.

Usage: python -I -S shepherd.py ATTEMPT_FOLDER

It owns the whole tree of the tool's processes (orphans come to it, because it is a subreaper), keeps to
the limits in `spec.json`, writes the logs, and leaves `exit.json`, whole or not at all.  It imports
nothing but the standard library, so that it starts in a few milliseconds, and it never touches the
database: what it leaves in the folder is what workers go by.

A file `stop` in the attempt's folder ends it, from whatever machine that was written.

Only one attempt of a job can run at once: the shepherd holds a lock of the kernel on the job's folder,
and does not start if a later attempt has been fenced in (a file `fence-<n>` with n above its own number).
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
NOT_MINE = 3
"""Exit status when another shepherd holds the job or a later attempt has been let in."""
TERM_SECONDS = 1.5
"""What the tool has after SIGTERM to end by itself."""
KILL_SECONDS = 8.0
CHECK_SECONDS = 0.5
STOP_CHECK_SECONDS = 0.2
CLEANUP_SECONDS = 20.0
STOP_FILE = "stop"
HEARTBEAT_SECONDS = 5.0
DISK_SHARE = 0.05
"""Looking at how much disk is used takes at most so much of the time."""
THREADS_PER_PROCESS = 32
"""As many threads as this, for each process that it may have, a tool may have in all."""
RESERVED_BYTES = 4096
"""Room kept for exit.json, so that a full disk does not swallow how the tool ended."""
PIPE_BYTES = 1 << 16


def process_start(pid: int | str) -> int | None:
    """Start time of a process in clock ticks since boot: with its id it names a process for good."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def write_json(folder: str, name: str, value: dict[str, object], *, lasting: bool = True) -> None:
    """Write a file that appears only when it is whole, over the room reserved for it if there is some.

    What is `lasting` is on the disk, too, before this returns: it outlives a loss of power.
    """
    part = os.path.join(folder, f".{name}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        data = json.dumps(value).encode()
        os.write(fd, data.ljust(RESERVED_BYTES) if os.fstat(fd).st_size else data)
        if lasting:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(part, os.path.join(folder, name))


class Logs:
    """stdout.log, stderr.log and both in order in log.txt, each up to a limit."""

    def __init__(self, folder: str, limit: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.files = [os.open(os.path.join(folder, n), flags, 0o644) for n in ("stdout.log", "stderr.log")]
        self.both = os.open(os.path.join(folder, "log.txt"), flags, 0o644)
        self.left = limit

    def write(self, stream: int, data: bytes) -> None:
        """A full disk costs lines of the log, never the job."""
        if self.left <= 0:
            return
        self.left -= len(data)
        if self.left <= 0:
            data = data[: self.left] if self.left else data
            data += b"\n[vogate] The log is longer than is kept; the rest is left out.\n"
        for fd in (self.files[stream], self.both):
            try:
                os.write(fd, data)
            except OSError:
                pass

    def note(self, text: str) -> None:
        """A line of the gateway's own."""
        try:
            os.write(self.both, f"[vogate] {text}\n".encode())
        except OSError:
            pass


class Shepherd:
    """One attempt."""

    def __init__(self, folder: str, spec: dict) -> None:  # type: ignore[type-arg]
        self.folder, self.spec = folder, spec
        self.why = ""
        self.detail = ""
        self.status: int | None = None
        self.cpu_seconds = 0.0
        self.peak_kb = 0
        self.child = 0
        self.threads = 0
        self.childless = False
        self.look_at_disk = 0.0
        self.logs = Logs(folder, int(spec.get("log_bytes", 10 << 20)))

    # -- the tool -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Fork the tool, its outputs on pipes."""
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        self.pipes = {out_read: 0, err_read: 1}
        for fd in self.pipes:
            os.set_blocking(fd, False)
        parent = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            try:
                self._become_tool(parent, out_write, err_write)
            except BaseException as error:  # noqa: BLE001  the child must not go on as a second shepherd
                name = os.path.basename(self.spec["argv"][0])
                text = error.strerror if isinstance(error, OSError) else str(error)
                os.write(2, f"The program {name} cannot be started: {text}.\n".encode())
            finally:
                os._exit(127)
        os.close(out_write)
        os.close(err_write)

    def _become_tool(self, parent: int, out: int, err: int) -> None:
        os.setsid()
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        for name, value in self.spec.get("rlimits", {}).items():
            _limit(getattr(resource, name), int(value))
        os.chdir(self.spec["cwd"])
        os.execve(self.spec["argv"][0], self.spec["argv"], self.spec["env"])

    # -- its process tree ---------------------------------------------------------------------------

    def reap(self) -> None:
        """Take in the exit statuses of the tool and of orphans that came to us."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self.childless = True
                return
            if pid == 0:
                return
            # All of them count: bubblewrap leaves the tool's own usage with an orphan of its.
            self.cpu_seconds += usage.ru_utime + usage.ru_stime
            self.peak_kb = max(self.peak_kb, usage.ru_maxrss)
            if pid == self.child:
                self.status = status

    def tree(self) -> list[int]:
        """The descendants by the kernel's own lists: quick, but one may be missed while others end."""
        self.threads = 0
        found: list[int] = []
        stack = [str(os.getpid())]
        while stack:
            folder = f"/proc/{stack.pop()}/task"
            try:
                for thread in os.listdir(folder):
                    with open(f"{folder}/{thread}/children", "rb") as file:
                        children = file.read().decode().split()
                    found += map(int, children)
                    stack += children
                    self.threads += 1
            except OSError:
                continue
        return found

    def descendants(self) -> list[int]:
        """All of them that are no zombies, by a look at every process of the machine."""
        children: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", "rb") as file:
                        fields = file.read().rpartition(b")")[2].split()
                except OSError:
                    continue
                if fields[0] != b"Z":
                    children.setdefault(int(fields[1]), []).append(int(name))
        found, stack = [], [os.getpid()]
        while stack:
            for pid in children.get(stack.pop(), ()):
                found.append(pid)
                stack.append(pid)
        return found

    def left(self) -> list[int]:
        """The processes that have to end with the attempt; orphans among them are children of ours."""
        self.reap()
        return [] if self.childless else self.descendants()

    def close_walls(self) -> None:
        """Take down what was put up around the tool (`uws.zygote`); bubblewrap does it by itself."""

    def end_all(self) -> None:
        """TERM, a moment to comply, then KILL until nothing is left; what multiplies gets no moment."""
        patience = 0.0 if self.why in ("MEMORY", "PROCESSES") else TERM_SECONDS
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, KILL_SECONDS)):
            end, told = time.monotonic() + seconds, set()
            while time.monotonic() < end:
                alive = self.left()
                if not alive:
                    break
                for pid in alive:
                    # The sandbox's own processes would take the tool down with them before it can tidy up.
                    if number == signal.SIGKILL or (pid not in told and _command(pid) != "bwrap"):
                        told.add(pid)
                        try:
                            os.kill(pid, number)
                        except ProcessLookupError:
                            pass
                self.drain()
                self.reap()
                time.sleep(0.02)
            self.reap()

    # -- watching -----------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take what the tool has written."""
        for fd, stream in list(self.pipes.items()):
            try:
                while data := os.read(fd, PIPE_BYTES):
                    self.logs.write(stream, data)
                os.close(fd)
                del self.pipes[fd]
            except BlockingIOError:
                pass

    def watch(self, wake: int) -> None:
        """Until the tool has ended or has to be ended."""
        started = beaten = checked = asked = time.monotonic()
        seconds = float(self.spec.get("seconds") or 0)
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        for fd in self.pipes:
            poll.register(fd, select.POLLIN)
        while self.status is None and not self.why:
            for fd, _event in poll.poll(200):
                if fd == wake:
                    os.read(wake, 512)
            known = set(self.pipes)
            self.drain()
            for fd in known - set(self.pipes):
                poll.unregister(fd)
            self.reap()
            moment = time.monotonic()
            if self.status is not None:
                return
            if seconds and moment - started > seconds:
                self.why = "TIMEOUT"
            if moment - asked > STOP_CHECK_SECONDS:
                asked = moment
                if os.path.exists(os.path.join(self.folder, STOP_FILE)):
                    self.why = self.why or "STOPPED"
            if moment - checked > CHECK_SECONDS:
                checked = moment
                self.check_usage()
            if moment - beaten > HEARTBEAT_SECONDS:
                beaten = moment
                self.beat()

    def check_usage(self) -> None:
        """Memory, processes and disk of the whole tree against the limits."""
        pids: list[int] = []
        pages = 0
        memory, processes = self.spec.get("memory_mb"), self.spec.get("processes")
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/statm", "rb") as file:
                    size, resident = file.read().split()[:2]
            except (OSError, ValueError):
                continue
            if size != b"0":  # no zombie
                pids.append(pid)
                pages += int(resident)
        kb = pages * (resource.getpagesize() // 1024)
        if memory and kb > memory * 1024:  # what they share counts once
            kb = min(kb, sum(map(_own_kb, pids)))
        self.peak_kb = max(self.peak_kb, kb)
        if memory and kb > memory * 1024:
            self.why, self.detail = "MEMORY", f"{kb // 1024} MB"
        elif processes and len(pids) > processes:
            self.why, self.detail = "PROCESSES", str(len(pids))
        elif processes and self.threads > processes * THREADS_PER_PROCESS:
            self.why, self.detail = "PROCESSES", f"{self.threads} threads in {len(pids)}"
        else:
            self.check_disk()

    def check_disk(self) -> None:
        """What the work folder and the private /tmp hold, as often as it can be afforded."""
        disk, began = self.spec.get("disk_mb"), time.monotonic()
        if not disk or began < self.look_at_disk:
            return
        used = _size_of(self.spec["cwd"]) + _size_of(os.path.join(self.folder, "tmp"))
        if used > disk << 20:
            self.why, self.detail = "DISK", f"{used >> 20} MB"
        moment = time.monotonic()
        self.look_at_disk = moment + (moment - began) / DISK_SHARE

    def beat(self) -> None:
        """A sign of life; and the end, if somebody has removed the folder."""
        try:
            os.utime(os.path.join(self.folder, "shepherd.json"))
        except FileNotFoundError:
            self.why = "STOPPED"
        except OSError:
            pass

    def run(self, wake: int) -> None:
        began = time.time()
        for line in self.spec.get("notes", ()):
            self.logs.note(line)
        self.start()
        self.watch(wake)
        if self.why or self.left():
            self.end_all()
        self.close_walls()
        self.reap()
        self.drain()
        self.tidy()
        self.leave_record(began)

    def tidy(self) -> None:
        """Run what the attempt wants run at its end (a container engine's own clean-up)."""
        command = self.spec.get("cleanup")
        if not command:
            return
        try:
            pid = os.posix_spawn(command[0], command, self.spec["env"])
        except OSError:
            return
        end = time.monotonic() + CLEANUP_SECONDS
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def leave_record(self, began: float) -> None:
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        write_json(
            self.folder,
            "exit.json",
            {
                "exit": code,
                "why": self.why,
                "detail": self.detail,
                "began": began,
                "ended": time.time(),
                "cpu_seconds": round(self.cpu_seconds, 4),
                "max_rss_kb": self.peak_kb,
                "platform": self.spec.get("platform", ""),
            },
        )


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def _own_kb(pid: int) -> int:
    """Memory of a process, with its part of what it shares with others (as after a fork)."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(b"Pss:"))
    except ProcessLookupError:
        return 0
    except (OSError, StopIteration):
        return sys.maxsize  # not ours to see: all that it holds counts


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def _size_of(folder: str) -> int:
    total, stack = 0, [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total


def lock_job(job_folder: str) -> int | None:
    """The lock that only one shepherd of a job can hold; None if another one has it."""
    fd = os.open(os.path.join(job_folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for _ in range(20):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return fd
    os.close(fd)
    return None


def fenced(job_folder: str, attempt: int) -> bool:
    """True if a later attempt has been let in."""
    for name in os.listdir(job_folder):
        kind, _, number = name.partition("-")
        if kind == "fence" and number.isdigit() and int(number) > attempt:
            return True
    return False


def main(folder: str, kind: type[Shepherd] = Shepherd) -> int:
    """Run the attempt in `folder`."""
    with open(os.path.join(folder, "spec.json"), encoding="utf-8") as file:
        spec = json.load(file)
    if os.getpid() not in (os.getsid(0), os.getpgid(0)):  # Slurm has made it a group's leader
        os.setsid()
    wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job_folder = os.path.dirname(os.path.abspath(folder))
    if lock_job(job_folder) is None or fenced(job_folder, int(spec["attempt"])):
        return NOT_MINE
    # Neither twice (a batch system that runs it again) nor after it was told to stop.
    if any(os.path.exists(os.path.join(folder, name)) for name in ("exit.json", "shepherd.json", STOP_FILE)):
        return NOT_MINE
    shepherd = kind(folder, spec)

    def stop(*_: object) -> None:
        shepherd.why = shepherd.why or "STOPPED"

    signal.signal(signal.SIGTERM, stop)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open(os.path.join(folder, ".exit.json.part"), "wb") as reserve:
        reserve.write(b" " * RESERVED_BYTES)
    pid = os.getpid()
    # Of no use to another boot of the machine: the tool need not wait for the disk.
    mine: dict[str, object] = {"pid": pid, "start": process_start(pid), "boot": boot_id()}
    write_json(folder, "shepherd.json", mine, lasting=False)
    shepherd.run(wake_read)
    return 0


libc = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
