"""Makes test results independent of how they are started, and of the load of the machine."""

import signal

from hypothesis import HealthCheck, settings

_ENDING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def let_children_be_interrupted() -> None:
    """Give programs that tests start the default handlers of signals.

    A shell starts a background command with SIGINT and SIGQUIT ignored, which `exec` preserves.
    It does not preserve a handler: with an empty one, this process still ignores the signals, and
    its children do not.
    """
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def let_examples_take_their_time() -> None:
    """No test fails because Hypothesis, or what it calls, was slow."""
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("patient", patient)
    settings.load_profile("patient")
