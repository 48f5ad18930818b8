"""The image and compose.yaml, read and run as far as a machine without a container engine can.

A container here is a process in a mount namespace of its own: a read-only root, fresh file systems
where the container writes, the unprivileged user of the image, no capability, the environment that
Dockerfile and compose.yaml say. What it cannot show is the building of the image
and its base.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from local.prefect import PROJECT

HOME = Path("/opt/kaiwa")  # of the image
DOCKERFILE = PROJECT / "deployments" / "Dockerfile"
COMPOSE_YAML = PROJECT / "deployments" / "compose.yaml"
# Secrets that compose.yaml gives to Postgres and the bucket, which tests do not start from it.
PASSWORDS = (
    "POSTGRES_PASSWORD",
    "KAIWA_OWNER_PASSWORD",
    "KAIWA_BATCH_PASSWORD",
    "PREFECT_DATABASE_PASSWORD",
    "BUCKET_ROOT_USER",
    "BUCKET_ROOT_PASSWORD",
)
# Innermost first: an alternative may itself name variables.
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:-|:\?)([^${}]*)\}")
# Takes the programs that the test itself needs along, then locks everything and drops all rights.
ENTER = """
base={base} closed={closed} tree={tree}
mount -t tmpfs -o mode=0755 tmpfs /opt
mkdir -p /opt/kaiwa && mount --bind "$tree" /opt/kaiwa
if [ -n "$closed" ]; then
    mkdir /opt/base && mount --bind "$base" /opt/base
    mount -t tmpfs -o mode=0755 tmpfs "$closed"
    mkdir -p "$base" && mount --move /opt/base "$base"
    mount -o remount,ro "$closed"
fi
mount -t tmpfs -o mode=0755 tmpfs /var/lib
install -d -o {user} -g {user} {writable}
for folder in {writable}; do mount -t tmpfs -o uid={user},gid={user} tmpfs "$folder"; done
mount -o remount,ro /opt && mount -o remount,bind,ro /opt/kaiwa && mount -o remount,ro /var/lib
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -o remount,bind,ro /
cd /opt/kaiwa
exec setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs \\
    --inh-caps=-all --bounding-set=-all env -i {variables} {command}
"""


def can_lock():
    """Return whether this machine lets a test make file systems read-only for a process."""
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "setpriv"))):
        return False
    probe = "mount -t tmpfs tmpfs /mnt && mount -o remount,bind,ro / && setpriv --version"
    done = subprocess.run(["unshare", "--mount", "sh", "-ec", probe], capture_output=True)
    return done.returncode == 0


def instructions(dockerfile=DOCKERFILE):
    """Return the last stage's instructions as pairs of name and argument."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    last = max(n for n, (name, _) in enumerate(pairs) if name == "FROM")
    return [(name, argument) for name, argument in pairs[last:]]


def image():
    """Return what a container of the image gets unless it says otherwise."""
    found = dict(instructions())
    environment = dict(word.split("=", 1) for word in shlex.split(found["ENV"]))
    return {
        "user": found["USER"].split(":")[0],
        "entrypoint": json.loads(found["ENTRYPOINT"]),
        "command": json.loads(found["CMD"]),
        "healthcheck": json.loads(found["HEALTHCHECK"].partition("CMD ")[2]),
        "environment": environment,
    }


def compose(variables):
    """Return compose.yaml as Docker Compose reads it with these variables.

    Raises:
        KeyError: If one is missing that compose.yaml insists on.
    """

    return _interpolated(yaml.safe_load(COMPOSE_YAML.read_text()), variables)


def _interpolated(node, variables):
    """Replace the variables in every string."""

    def value(match):
        name, operator, alternative = match.groups()
        if variables.get(name):
            return variables[name]
        if operator == ":-":
            return alternative
        raise KeyError(name)

    if isinstance(node, dict):
        return {name: _interpolated(child, variables) for name, child in node.items()}
    if isinstance(node, list):
        return [_interpolated(child, variables) for child in node]
    if isinstance(node, str):
        while VARIABLE.search(node):
            node = VARIABLE.sub(value, node)
        return node.replace("$$", "$")
    return node


def install(tree):
    """Install the project's wheel into a clean environment, as the image does.

    Third-party packages are those of the tests' environment, to save their installation.
    """
    wheels = tree.with_name("wheels")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", wheels)
    (wheel,) = wheels.iterdir()
    run(sys.executable, "-m", "venv", "--without-pip", tree)
    run(
        sys.executable, "-m", "pip", "--python", tree / "bin" / "python", "install", "--quiet",
        "--no-deps", "--no-index", "--disable-pip-version-check", wheel,
    )  # fmt: skip
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    (site,) = tree.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(f"{packages}\n")
    (tree / "bin" / "prefect").write_bytes(Path(sys.executable).with_name("prefect").read_bytes())
    for script in ("kaiwa-audio", "prefect"):
        path = tree / "bin" / script
        _, _, rest = path.read_text().partition("\n")
        path.write_text(f"#!{HOME / 'bin' / 'python'}\n{rest}")
        path.chmod(0o755)
    shutil.copy(PROJECT / "prefect.yaml", tree)
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222 | 0o444 | (0o111 if path.is_dir() else 0))


def run(*command):
    """Run a command in the project's folder; its output shows when it fails."""
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def entering(tree, command, environment):
    """Return the command that runs a container's command, after the image's entrypoint."""
    settings = image()
    assert settings["entrypoint"][:2] == ["/usr/bin/tini", "--"]  # not of this machine
    variables = {**settings["environment"], **environment}
    variables["PATH"] = variables["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
    base = Path(sys.base_prefix)
    closed = [path for path in reversed(base.parents) if not path.stat().st_mode & 0o001]
    writable = [variables["PREFECT_HOME"], variables["KAIWA_REPORTS_DIR"]]
    script = ENTER.format(
        base=shlex.quote(str(base)),
        closed=shlex.quote(str(closed[0])) if closed else "''",
        tree=shlex.quote(str(tree)),
        user=settings["user"],
        writable=" ".join(writable),
        variables=shlex.join(f"{name}={value}" for name, value in variables.items()),
        command=shlex.join([*settings["entrypoint"][2:], *command]),
    )
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]


def start(tree, command, environment, log):
    """Start a container's command; return its process, which leads a group of its own."""
    return subprocess.Popen(
        entering(tree, command, environment),
        stdin=subprocess.DEVNULL,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={"PATH": os.environ["PATH"]},
        start_new_session=True,
    )
