#!/bin/sh
# Starts a command once the secrets are there. Chamber runs its command without a word when a service is unknown or
# empty; OWS would then serve no layer and answer its health check for a while.
set -eu

missing=""
for name in ${REQUIRED_VARIABLES:-}; do
    if [ -z "$(printenv "$name")" ]; then
        missing="${missing:+$missing, }$name"
    fi
done
if [ -n "$missing" ]; then
    echo "The chamber service ${CHAMBER_SERVICE:-} gave no ${missing}, which this container needs" \
         "(an unknown service gives nothing). run: invoke chamber.list ${CHAMBER_SERVICE:-}" >&2
    exit 78
fi

# shellcheck source=configure.sh
. /ows/configure.sh
exec "$@"
