"""Code that has a process with a local Kaggle send itself a signal at an API call."""

KILL_AT = "KILL_AT_CALL"
"""The variable that says at which call, counted from 1; without it the process lives."""

SIGNAL = "KILL_WITH_SIGNAL"
"""The variable that says which signal, as a number.

Without it the end is as sudden as the system can make it: no handler runs, no buffer is written.
"""

DIE_AT_CALL = f"""
import os, signal
from kaggle_local.faults import Faults
take, left = Faults.take, int(os.environ.get("{KILL_AT}", 0))

def counted(*arguments, **named):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), int(os.environ.get("{SIGNAL}", signal.SIGKILL)))
    return take(*arguments, **named)

Faults.take = counted
"""
