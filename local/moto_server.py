"""Run moto's server without answering web pages: `python -m local.moto_server PORT`."""

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

from local.loopback_only import without_pages
from local.ports import HOST


def main(port: int) -> None:
    """Serve until SIGTERM."""
    app = without_pages(DomainDispatcherApplication(create_backend_app))
    run_simple(HOST, port, app, threaded=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
