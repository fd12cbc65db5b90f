"""How a job in a child process learns that it should end."""

from __future__ import annotations

import os
import signal
import time

import pytest

from workers.stopping import StopFlag


def test_flag_set_in_the_parent_is_seen_in_a_forked_child() -> None:
    flag = StopFlag()
    with flag.watching() as should_end:
        child = os.fork()
        if child == 0:
            deadline = time.monotonic() + 10
            while not flag._shared[0] and time.monotonic() < deadline:
                time.sleep(0.005)
            os._exit(flag._shared[0])
        assert not should_end()
        flag.tell_children()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        assert should_end()


def test_sigterm_asks_instead_of_killing_while_a_job_runs() -> None:
    flag = StopFlag()
    before = signal.getsignal(signal.SIGTERM)
    with flag.watching() as should_end:
        assert not should_end()
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_end()
    assert signal.getsignal(signal.SIGTERM) is before


def test_job_whose_parent_died_should_end() -> None:
    parent = 4711
    flag = StopFlag(parent_pid=lambda: parent)
    with flag.watching() as should_end:
        assert not should_end()
        parent = 1
        assert should_end()


def test_next_job_of_the_same_child_starts_unasked() -> None:
    flag = StopFlag()
    with flag.watching():
        flag.request()
    with flag.watching() as should_end:
        assert not should_end()


def test_signal_handler_comes_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="broken"), StopFlag().watching():
        raise ValueError("broken")
    assert signal.getsignal(signal.SIGTERM) is before
