"""A deployment's run is followed until it ends, and no longer than something happens."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.states import Completed, Failed, Paused, Running, State

from local.demo import deployment_run
from local.demo.deployment_run import RunPaused, RunStalled, failure, run_deployment


class Client:
    """A Prefect server whose run goes through the given states and stays in the last."""

    def __init__(self, states: list[State]) -> None:
        self.states = states

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None: ...

    def read_deployment_by_name(self, name):
        assert name == "sweep-retention/sweep-retention"
        return SimpleNamespace(id=uuid4())

    def create_flow_run_from_deployment(self, _id, parameters):
        assert parameters == {"dry_run": True}
        return SimpleNamespace(id=uuid4())

    def read_flow_run(self, _id):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return SimpleNamespace(id=uuid4(), name="a run", state=state)


@pytest.fixture
def follow(monkeypatch):
    """Follow a run through these states, without pauses."""

    def _follow(*states, **watching):
        monkeypatch.setattr(deployment_run, "client_of", lambda _url: Client(list(states)))
        monkeypatch.setattr(deployment_run, "_POLL_SECONDS", 0.001)
        monkeypatch.setattr(deployment_run, "STALLED_SECONDS", 0.05)
        return run_deployment("", "sweep-retention", {"dry_run": True}, log="log", **watching)

    return _follow


def test_a_run_is_followed_to_its_end_and_each_state_is_told(follow):
    told = []
    run = follow(Running(), Running(), Completed(), watch=told.append)
    assert run.state.is_completed()
    assert told == ["Running", "Running", "Completed"]


def test_a_run_in_which_nothing_happens_stalls(follow):
    with pytest.raises(RunStalled, match="Running"):
        follow(Running())


def test_a_run_that_moves_on_does_not_stall(follow):
    looks = iter(range(100))
    assert follow(*[Running()] * 90, Completed(), watch=lambda _: next(looks)).state.is_completed()


def test_a_run_that_waits_for_a_person_is_not_waited_for(follow):
    with pytest.raises(RunPaused, match="sweep-retention"):
        follow(Running(), Paused())


def test_only_a_completed_run_is_no_failure(follow):
    assert failure(follow(Completed())) is None
    assert "the bucket is away" in failure(follow(Failed(message="the bucket is away")))
