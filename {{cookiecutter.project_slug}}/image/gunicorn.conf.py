"""Gunicorn's settings that are no options of every version: a name that a version does not know is ignored here."""

from datacube_ows.gunicorn_config import child_exit  # noqa: F401  upstream's own: metrics of a worker that ended

control_socket_disable = True  # it would be made in the home folder, on a root that may be read-only
