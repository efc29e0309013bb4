"""A SLURM of one node on this machine, for tests: started without systemd, cgroups or a database,
reached from this machine alone, stopped by the processes that were started.

`python tests/slurm/cluster.py FOLDER` starts one by hand, prints the variable that its commands
need and stops it at Ctrl-C or SIGTERM. Needs slurmctld, slurmd, slurm-client and munge, and root.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
_PATIENCE = 30.0  # s until the node must be idle
# Device files in the place of graphics cards: SLURM hands them out, nobody opens them
_CARDS = ("/dev/zero", "/dev/full")


def missing_programs() -> list[str]:
    """What is not installed of all that is needed, or "root" for another user."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    return absent + (["root"] if os.geteuid() != 0 else [])


class Cluster:
    """A running SLURM whose files lie in `folder`; a context. Its commands need `environment`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.host = socket.gethostname().split(".")[0]
        self.config = self.folder / "slurm.conf"
        self.daemons: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the clients."""
        return os.environ | {"SLURM_CONF": str(self.config), "PATH": _path()}

    def __enter__(self) -> Self:
        for name in ("state", "node", "munge"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        # munged insists on folders that others can enter but not write
        for folder in (self.folder, self.folder / "munge"):
            folder.chmod(0o755)
        key = self.folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self.config.write_text(self._text())
        cards = "".join(f"Name=gpu File={path}\n" for path in _CARDS)
        (self.folder / "gres.conf").write_text(cards)
        try:
            self._start()
            self._wait_for_the_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        munge = self.folder / "munge"
        self._daemon(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={munge / 'key'}",
            f"--socket={munge / 'socket'}",
            f"--pid-file={munge / 'pid'}",
            f"--log-file={munge / 'log'}",
            f"--seed-file={munge / 'seed'}",
        )
        self._until(lambda: (munge / "socket").exists())
        self._daemon("slurmctld", "-D", "-f", str(self.config))
        self._daemon("slurmd", "-D", "-f", str(self.config), "-N", self.host)

    def __exit__(self, *_: object) -> None:
        if len(self.daemons) == 3:
            self.run("scancel", "--user", "root", check=False)
            with suppress(TimeoutError):
                self._until(lambda: not self.run("squeue", "--noheader", check=False))
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()

    def run(self, *command: str, check: bool = True) -> str:
        """Standard output of a client."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout.strip()

    def _daemon(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as log:
            program = shutil.which(name, path=_path())
            assert program is not None
            self.daemons.append(
                subprocess.Popen([program, *options], stdout=log, stderr=log, env=self.environment)
            )

    def _wait_for_the_node(self) -> None:
        self._until(lambda: self.run("sinfo", "--noheader", "-o", "%T", check=False) == "idle")

    def _until(self, ready: object) -> None:
        end = time.monotonic() + _PATIENCE
        while not ready():  # type: ignore[operator]
            ended = [daemon.args for daemon in self.daemons if daemon.poll() is not None]
            if ended or time.monotonic() > end:
                logs = "\n".join(
                    f"{path.name}: {path.read_text(errors='replace')[-500:]}"
                    for path in sorted(self.folder.glob("*.out"))
                )
                raise TimeoutError(f"SLURM did not come up; ended: {ended}\n{logs}")
            time.sleep(0.1)

    def _text(self) -> str:
        """slurm.conf: one node with all cores of the machine, that listens to itself only."""
        controller, node = _free_ports(2)
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        settings = {
            "ClusterName": "zscan",
            "SlurmctldHost": f"{self.host}(127.0.0.1)",
            "SlurmctldPort": controller,
            "SlurmdPort": node,
            "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.folder / 'munge' / 'socket'}",
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "node",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd.pid",
            # No cgroups, no database
            "ProctrackType": "proctrack/pgid",
            "TaskPlugin": "task/none",
            "AccountingStorageType": "accounting_storage/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "MpiDefault": "none",
            "SwitchType": "switch/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core",
            "GresTypes": "gpu",
            # Jobs start at once, dead ones are gone after seconds
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "sched_interval=1,bf_interval=1,batch_sched_delay=0",
            "KillWait": 3,
            "MinJobAge": 600,
            "ReturnToService": 2,
        }
        lines = [f"{key}={value}" for key, value in settings.items()]
        lines.append(
            f"NodeName={self.host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} "
            f"RealMemory={int(memory * 0.9)} Gres=gpu:{len(_CARDS)}"
        )
        lines.append(f"PartitionName=main Nodes={self.host} Default=YES MaxTime=60")
        return "\n".join(lines) + "\n"


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    if absent := missing_programs():
        sys.exit(f"not here: {', '.join(absent)}")
    # A shell that starts it in the background lets it ignore Ctrl-C
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with Cluster(Path(sys.argv[1])) as cluster, suppress(KeyboardInterrupt):
        print(f"export SLURM_CONF={cluster.config}", flush=True)
        while True:
            time.sleep(3600)
