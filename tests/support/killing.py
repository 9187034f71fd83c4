"""kill -9 as tests do it: at a moment that something visible marks, and never by name."""
import os
import pathlib
import signal
import time


def children(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def kill_program(process):
    """A command of ours with the holder that it started."""
    for child in children(process.pid):
        kill(child)
    kill(process.pid)
    process.communicate()


def reached(process, moment):
    """Waits for `moment()`; False where the process ended before."""
    while process.poll() is None:
        if moment():
            return True
        time.sleep(0.0005)  # polls a condition; nothing depends on how long
    return False


def kill_when(process, moment):
    """Until `moment()` or the end of the process; whether it was killed."""
    if not reached(process, moment):
        return False
    kill_program(process)
    return True


def power_fails(appliance):
    """Supervisor, front and holders at once."""
    os.killpg(appliance.process.pid, signal.SIGKILL)
    appliance.process.wait()
    appliance.process = None
