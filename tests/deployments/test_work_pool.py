"""Job templates: deployments' job variables are merged in, and the result stays restricted."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from jsonschema import Draft7Validator
from prefect.client.schemas.objects import FlowRun
from prefect.logging.configuration import DEFAULT_LOGGING_SETTINGS_PATH, load_logging_config
from prefect.utilities.templating import apply_values
from prefect.workers.base import BaseJobConfiguration

from deployments.work_pool import (
    HEARTBEAT_SECONDS,
    PoolType,
    base_job_template,
    image_of,
    with_image,
)
from tests.support import containers

JOB = json.loads((Path(__file__).parent / "data" / "kubernetes-job.json").read_text())
CLAIM = {"name": "reports", "persistentVolumeClaim": {"claimName": "kaiwa-reports"}}


def rendered(pool_type, **job_variables):
    """Return a job's configuration as a worker builds it from template and job variables."""
    template = base_job_template(pool_type)
    properties = template["variables"]["properties"]
    defaults = BaseJobConfiguration._get_base_config_defaults(properties)
    return apply_values(template["job_configuration"], {**defaults, **job_variables})


def manifest(**job_variables):
    """Return a Kubernetes job as Prefect's worker sends it, without the worker's environment."""
    configuration = rendered(
        PoolType.KUBERNETES, command="prefect flow-run execute", **job_variables
    )
    job = configuration["job_manifest"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": k, "value": v} for k, v in container["env"].items()]
    container["args"] = container["args"].split()
    return job


def test_a_job_is_one_that_kubernetes_knows():
    Draft7Validator(JOB).validate(manifest())


def test_a_deployments_job_variables_are_merged_in():
    job = manifest(image="kaiwa-audio:2", cpu_limit="8", reports_volume=CLAIM, env={"A": "b"})
    Draft7Validator(JOB).validate(job)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "kaiwa-audio:2"
    assert container["resources"]["limits"] == {"cpu": "8", "memory": "4Gi"}
    assert CLAIM in pod["volumes"]
    assert {"name": "A", "value": "b"} in container["env"]


def test_a_misspelt_field_would_be_noticed():
    job = manifest()
    job["spec"]["template"]["spec"]["securityContxt"] = {}
    assert not Draft7Validator(JOB).is_valid(job)


def test_a_kubernetes_job_runs_locked_and_once():
    spec = manifest()["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (0, 3600)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert str(pod["securityContext"]["runAsUser"]) == containers.image()["user"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}
    assert container["envFrom"] == [{"secretRef": {"name": "kaiwa-audio"}}]


def test_paths_that_the_image_writes_to_are_writable_in_a_locked_container():
    environment = containers.image()["environment"]
    places = {environment[name] for name in ("HOME", "PREFECT_HOME", "KAIWA_REPORTS_DIR")}
    (container,) = manifest()["spec"]["template"]["spec"]["containers"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == places
    docker = rendered(PoolType.DOCKER)
    volumes = {volume.partition(":")[2] for volume in docker["volumes"]}
    assert volumes | set(docker["container_create_kwargs"]["tmpfs"]) == places


def test_a_docker_container_is_locked_whatever_a_deployment_says():
    docker = rendered(PoolType.DOCKER, privileged=True, container_create_kwargs={})
    assert docker["privileged"] is False
    options = docker["container_create_kwargs"]
    assert options["read_only"] is True
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opt"] == ["no-new-privileges:true"]
    assert options["pids_limit"]
    assert all("size=" in settings for settings in options["tmpfs"].values())
    assert docker["mem_limit"]


@pytest.mark.parametrize("pool_type", PoolType)
def test_runs_send_heartbeats_whatever_their_workers_settings(pool_type, monkeypatch):
    monkeypatch.setenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "180")
    configuration = BaseJobConfiguration(**rendered(pool_type))
    configuration.prepare_for_flow_run(FlowRun(flow_id=uuid4()))
    assert configuration.env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(HEARTBEAT_SECONDS)


@pytest.mark.parametrize("pool_type", PoolType)
def test_a_runs_log_does_not_mention_every_finished_task(pool_type, monkeypatch):
    for name, value in rendered(pool_type)["env"].items():
        monkeypatch.setenv(name, value)
    tasks = load_logging_config(DEFAULT_LOGGING_SETTINGS_PATH)["loggers"]["prefect.task_runs"]
    assert tasks["level"] == "WARNING"


def test_an_image_is_of_containers_alone():
    assert (
        image_of(with_image(base_job_template(PoolType.DOCKER), "kaiwa-audio:2")) == "kaiwa-audio:2"
    )
    processes = base_job_template(PoolType.PROCESS)
    assert with_image(processes, "kaiwa-audio:2") == processes
    assert image_of(processes) is None
