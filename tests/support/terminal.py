"""A program on a terminal of its own, and somebody who types at it."""
import fcntl
import os
import pty
import select
import subprocess
import termios
import time


def typed(words, answers, env=None, within=120):
    """Runs `words` on a terminal and types each of `answers`, (what must be asked, what is typed), when it is asked. The exit
    code, what the terminal showed, and standard output, which is no terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen([str(word) for word in words], stdin=slave, stderr=slave, stdout=subprocess.PIPE, env=env,
                               start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    shown = b""
    waiting = list(answers)
    asked_from = 0
    deadline = time.monotonic() + within
    while True:
        assert time.monotonic() < deadline, (words, shown)
        ready, _, _ = select.select([master], [], [], 0.05)
        if ready:
            try:
                shown += os.read(master, 4096)
            except OSError:  # the last one closed its end
                break
        if waiting:
            place = shown.find(waiting[0][0].encode(), asked_from)
            # Echo is off before the question is asked: what is typed now is not shown.
            if place >= 0 and not termios.tcgetattr(master)[3] & termios.ECHO:
                asked_from = place + len(waiting[0][0])
                os.write(master, waiting.pop(0)[1].encode() + b"\n")
        elif process.poll() is not None and not ready:
            break
    out = process.stdout.read().decode()
    code = process.wait(timeout=within)
    os.close(master)
    assert not waiting, (waiting, shown)
    return code, shown.decode(errors="replace"), out
