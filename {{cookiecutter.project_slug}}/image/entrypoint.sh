#!/bin/sh
# chamber puts the secrets of CHAMBER_SERVICE into the environment; tini passes signals on and reaps; run.sh starts.
# The service comes from the task definition, so one image runs in every workspace.
set -eu

if [ -z "${CHAMBER_SERVICE:-}" ]; then
    echo "CHAMBER_SERVICE is not set: it names the chamber service whose secrets this container needs," \
         "and the task definition sets it. run: invoke service.status" >&2
    exit 78
fi
exec /chamber exec "$CHAMBER_SERVICE" -- tini -- /ows/run.sh "$@"
