"""A Slurm cluster of one node in a folder: munged, slurmctld and slurmd on free ports, which tests may kill.

It needs root: slurmd starts jobs as their owners.  With a `munge` account, munged runs as that.
"""

from __future__ import annotations

import os
import platform
import pwd
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support.live import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
START_SECONDS = 30.0
CPUS = 8
_CONF = """
ClusterName=vogate
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctl_port}
SlurmdPort={d_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MinJobAge=60
JobRequeue=0
ReturnToService=2
KillWait=5
MessageTimeout=5
SlurmdTimeout=30
BatchStartTimeout=3
MpiDefault=none
Prolog={folder}/prolog
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=other Nodes={host} MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why no cluster can be started here; empty if one can."""
    os.environ["PATH"] += ":/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    return "" if os.geteuid() == 0 else "slurmd needs root"


def require_cluster() -> None:
    """Skip where no cluster can be started, but fail if VOGATE_REQUIRE names slurm."""
    reason = why_not()
    if reason:
        (pytest.fail if "slurm" in os.environ.get("VOGATE_REQUIRE", "").split(",") else pytest.skip)(reason)


class Cluster:
    """`start` it, `kill` a daemon, `stop` it; `conf` is what SLURM_CONF has to name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.conf = folder, folder / "slurm.conf"
        for name in ("run", "state", "spool", "munge"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.hold = folder / "hold"
        """While this file exists, jobs that begin get no further than slurmd's prolog."""
        prolog = folder / "prolog"
        prolog.write_text(f"#!/bin/sh\nwhile [ -e {self.hold} ]; do sleep 0.1; done\n")
        prolog.chmod(0o755)
        self.host = platform.node().partition(".")[0]
        self.ports = free_port(), free_port()
        self.conf.write_text(
            _CONF.format(
                host=self.host, folder=folder, ctl_port=self.ports[0], d_port=self.ports[1], cpus=CPUS
            )
        )
        self.environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._operator = threading.Thread(target=self._operate, daemon=True)

    def start(self) -> Cluster:
        self._start_munged()
        self.start_daemon("slurmctld")
        self.start_daemon("slurmd")
        end = time.monotonic() + START_SECONDS
        while "idle" not in self.run("sinfo", "--noheader", "--format=%T"):
            assert time.monotonic() < end, self.log()
            time.sleep(0.1)
        self._operator.start()
        return self

    def _operate(self) -> None:
        """What Slurm leaves to people: a node is drained when a killed slurmctld has forgotten that a job runs there."""
        while not self._stopping.wait(1.0):
            if re.search("drain|down", self.run("sinfo", "--noheader", "--format=%T")):
                self.run("scontrol", "update", f"NodeName={self.host}", "State=RESUME")

    def _start_munged(self) -> None:
        munge, run = self.folder / "munge", self.folder / "run"
        key = munge / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        user = None
        try:
            account = pwd.getpwnam("munge")
        except KeyError:
            pass
        else:
            user = account.pw_uid
            for path in (munge, run, key):
                os.chown(path, account.pw_uid, account.pw_gid)
        munge.chmod(0o700)
        run.chmod(0o755)
        # munged wants every folder above its socket and key to be safe, and readable by its account.
        for path in (self.folder, *self.folder.parents[:-1]):
            if path.stat().st_uid == 0:
                path.chmod(path.stat().st_mode | 0o011)
        command = [
            "munged", "--foreground", "--force", f"--socket={run / 'munge.socket'}", f"--key-file={key}",
            f"--log-file={munge / 'munged.log'}", f"--pid-file={munge / 'munged.pid'}",
            f"--seed-file={munge / 'seed'}", "--num-threads=2",
        ]  # fmt: skip
        self.processes["munged"] = subprocess.Popen(
            command, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        end = time.monotonic() + START_SECONDS
        while not (run / "munge.socket").exists():
            assert time.monotonic() < end, (munge / "munged.log").read_text()
            time.sleep(0.05)

    def start_daemon(self, name: str) -> None:
        """slurmctld or slurmd, in the foreground, so that its process id is known."""
        options = ["-N", self.host] if name == "slurmd" else []
        self.processes[name] = subprocess.Popen(
            [name, "-D", "-f", str(self.conf), *options], env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def kill(self, name: str, *, children: bool = False) -> None:
        """kill -9; what it had started lives on, unless its children die with it."""
        process = self.processes[name]
        found = (
            Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() if children else ()
        )
        for pid in (process.pid, *map(int, found)):
            os.kill(pid, signal.SIGKILL)
        process.wait()

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout

    def log(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in self.folder.glob("*.log")
        )

    def stop(self) -> None:
        self._stopping.set()
        self.run("scancel", "--me")
        for name in ("slurmd", "slurmctld", "munged"):
            process = self.processes.get(name)
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def slurm_site(cluster: Cluster, more: str = "") -> str:
    """Lines of a site.toml that send every tool to the cluster."""
    return (
        '[executors]\ndefault = "slurm"\n[executors.slurm]\n'
        f'config = "{cluster.conf}"\npartition = "main"\nmemory_mb = 200\nstart_seconds = 15\n{more}'
    )
