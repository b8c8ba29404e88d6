"""A Slurm cluster on the loopback of one machine: Debian's munge, slurmctld and slurmd, started and removed."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol")
# Snakemake's inner step calls srun in an environment of its own: only the standard place is found there.
CONFIGURATION = Path("/etc/slurm/slurm.conf")
MARK = "# written by tests/cluster of mgk, and removed by it"
MUNGE_SOCKETS = Path("/run/munge")
PATIENCE_S = 60


def why_not() -> str | None:
    """Say why a cluster cannot be started here, or nothing."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"not on the PATH: {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)"
    if os.geteuid() != 0:
        return "starting munge and Slurm needs root"
    if CONFIGURATION.exists():
        ours = MARK in CONFIGURATION.read_text(encoding="utf-8")
        return None if ours else f"{CONFIGURATION} is there: this machine belongs to a cluster"
    if MUNGE_SOCKETS.exists():
        return "munge is running: this machine belongs to a cluster"
    return None


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Start munge, slurmctld and slurmd with their state under a folder; at the end remove every trace."""
    host = socket.gethostname().split(".")[0]
    daemons: list[subprocess.Popen] = []
    _remove_traces()
    try:
        daemons.append(_munge(folder))
        CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
        CONFIGURATION.write_text(_configuration(folder, host), encoding="utf-8")
        daemons.append(_daemon(folder, "slurmctld", "-D", "-i"))
        daemons.append(_daemon(folder, "slurmd", "-D", "-N", host))
        _wait_until(lambda: "idle" in _said("sinfo", "-h", "-o", "%T"), "the node is idle", folder)
        yield
    finally:
        subprocess.run(["scancel", "--user", "root"], check=False, capture_output=True)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in reversed(daemons):
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        _remove_traces()


def _remove_traces() -> None:
    """Remove what lies outside the folder; also what a killed test left there."""
    CONFIGURATION.unlink(missing_ok=True)
    shutil.rmtree(MUNGE_SOCKETS, ignore_errors=True)


def _munge(folder: Path) -> subprocess.Popen:
    """Start munged with a key of its own, as root, at the socket where Slurm looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "munge"
    own.mkdir()
    own.chmod(0o700)
    MUNGE_SOCKETS.mkdir()
    MUNGE_SOCKETS.chmod(0o755)
    key = own / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    files = [f"--key-file={key}", f"--pid-file={own}/munged.pid", f"--seed-file={own}/seed", f"--log-file={own}/log"]
    daemon = _daemon(folder, "munged", "--foreground", "--force", *files)
    _wait_until(lambda: subprocess.run(["munge", "-n"], capture_output=True).returncode == 0, "munge answers", folder)
    return daemon


def _configuration(folder: Path, host: str) -> str:
    """Write the configuration: one node, the loopback alone, no accounting, no control groups."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return f"""{MARK}
ClusterName=one_machine
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={int(memory_mb * 0.9)} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def _daemon(folder: Path, *command: str) -> subprocess.Popen:
    with (folder / f"{command[0]}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _wait_until(holds, what: str, folder: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            logs = "\n".join(log.read_text(errors="replace")[-2000:] for log in sorted(folder.glob("*.log")))
            raise TimeoutError(f"after {PATIENCE_S} s it is not so that {what}:\n{logs}")
        time.sleep(0.25)
