"""The image, really built, and containers of it: buildah, podman and runc from Debian.

No registry is needed: the base image is Debian's own Python, installed from the machine's Debian
mirror, and packages come from where the machine's pip finds them. Containers share the machine's
network, so that they reach each other and the tests' servers on loopback.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.prefect import PROJECT

PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap")
SUITE = "trixie"  # as in the image python:3.13-slim
PACKAGES = "ca-certificates,python3,python3-venv,python-is-python3"
BASE, IMAGE, POSTGRES = "localhost/base", "localhost/kaiwa-audio", "localhost/postgres"
# A machine without CAP_SYS_RESOURCE cannot raise them to podman's defaults.
LIMITS = ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def obstacle():
    """Return why this machine cannot build and run images, or None."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"apt-get install --no-install-recommends {' '.join(missing)}"
    if "ID=debian\n" not in Path("/etc/os-release").read_text():
        return "the base image is made of this machine's Debian packages, and it is not Debian"
    return None if os.geteuid() == 0 else "podman runs containers as root here"


def run(*command, **options):
    """Run a command; return its output, or fail with it."""
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, **options,
    )  # fmt: skip
    assert done.returncode == 0, f"{command[:3]}: {done.stdout[-6000:]}"
    return done.stdout


class Engine:
    """buildah and podman with images, containers and volumes in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        self._storage = (
            *("--root", folder / "storage", "--runroot", folder / "run"),
            *("--storage-driver", "overlay"),
        )
        self._podman = (
            "podman",
            *self._storage,
            "--cgroup-manager",
            "cgroupfs",
            "--runtime",
            "runc",
        )

    def buildah(self, *arguments):
        return run("buildah", *self._storage, *arguments)

    def podman(self, *arguments):
        return run(*self._podman, *arguments)

    def make_base(self):
        """Make the base image: Debian with its Python."""
        archive = self.folder / "base.tar"
        run(
            "mmdebstrap", "--variant=minbase", "--dpkgopt=force-unsafe-io",
            f"--include={PACKAGES}", SUITE, archive, _mirror(),
        )  # fmt: skip
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", container, archive, "/")
        self.buildah("commit", "--rm", "--quiet", container, BASE)
        archive.unlink()

    def make_postgres(self):
        """Make an image with Debian's Postgres, which has the extensions that Prefect needs."""
        container = self.buildah("from", BASE).strip()
        install = "apt-get update && apt-get install --yes --no-install-recommends postgresql"
        self.buildah("run", "--isolation", "chroot", container, "--", "sh", "-ec", install)
        self.buildah("commit", "--rm", "--quiet", container, POSTGRES)

    def build(self):
        """Build the image as its Dockerfile says, with this machine's pip configuration."""
        configuration = self.folder / "pip.conf"
        configuration.write_text(_pip_configuration())
        self.buildah(
            "build", "--isolation", "chroot", "--format", "docker", "--tag", IMAGE,
            "--build-arg", f"PYTHON_IMAGE={BASE}", "--secret", f"id=pip.conf,src={configuration}",
            "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro",
            "--file", PROJECT / "deployments" / "Dockerfile", PROJECT,
        )  # fmt: skip

    def start(self, name, image, service, command, environment, log, volumes=()):
        """Start a container with a service's restrictions; return podman's process."""
        options = [
            *("--name", name, "--network", "host", "--pull", "never"),
            *LIMITS,
            *restrictions(service),
        ]
        for key, value in environment.items():
            options += ["--env", f"{key}={value}"]
        for volume in [*service.get("volumes", []), *volumes]:
            options += ["--volume", volume]
        return subprocess.Popen(
            [*map(str, self._podman), "run", *options, image, *command],
            stdin=subprocess.DEVNULL, stdout=log.open("wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def remove(self):
        """Stop and remove everything."""
        self.podman("rm", "--all", "--force", "--time", "5", "--volumes")
        self.podman("rmi", "--all", "--force")
        shutil.rmtree(self.folder)


def restrictions(service):
    """Return the options with which a service of compose.yaml runs restricted."""
    options = [f"--user={service['user']}"] if "user" in service else []
    options += ["--read-only", "--read-only-tmpfs=false"] * service.get("read_only", False)
    options += [f"--cap-drop={one}" for one in service.get("cap_drop", [])]
    options += [f"--security-opt={one.split(':')[0]}" for one in service["security_opt"]]
    for one in service.get("tmpfs", []):
        place, _, settings = one.partition(":")
        # As in Docker: noexec. podman knows no `uid` and `gid` here, but can give it to the user.
        known = [f"tmpfs-{word}" for word in settings.split(",") if word[:3] not in ("uid", "gid")]
        options.append(f"--mount=type=tmpfs,destination={place},U=true,noexec,{','.join(known)}")
    options += [f"--ulimit={name}={value}" for name, value in service["ulimits"].items()]
    if "pids_limit" in service:
        options.append(f"--pids-limit={service['pids_limit']}")
    if "mem_limit" in service:
        options.append(f"--memory={service['mem_limit']}")
    return options


def _mirror():
    """Return the address of this machine's Debian mirror."""
    release = Path("/etc/os-release").read_text().split("VERSION_CODENAME=")[1].split()[0]
    (mirror, *_) = run(
        "apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {release}",
        "Component: main", "Created-By: Packages",
    ).splitlines()  # fmt: skip
    return mirror


def _pip_configuration():
    """Return pip's configuration for the build: the indexes of this machine's pip."""
    lines = ["[global]", f"cert = {CERTIFICATES}"]
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        # Folders of this machine do not exist in the build.
        indexes = [word for word in value.strip("'").split() if word.startswith("http")]
        if option in {"index-url", "extra-index-url"} and indexes:
            lines.append(f"{option} = {' '.join(indexes)}")
    return "\n".join([*lines, ""])
