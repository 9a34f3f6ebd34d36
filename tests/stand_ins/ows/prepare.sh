#!/bin/bash
# Writes rootfs.tar into the folder $1: Debian with datacube-ows $2 in /app, where upstream's image has it.
# Installed here and not by a RUN line: the host's proxies and certificates hold, and the image is written once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# Where TLS is inspected on the way out, only the host's own certificates let a package through.
certificates=${SSL_CERT_FILE:-${PIP_CERT:-}}

install_ows() {
  local root=$1 version=$2
  mkdir "$root/build"
  cp "$here/constraints.txt" "$root/build/"
  cp "${certificates:-$root/etc/ssl/certs/ca-certificates.crt}" "$root/build/certificates.crt"
  export PIP_CERT=/build/certificates.crt REQUESTS_CA_BUNDLE=/build/certificates.crt SSL_CERT_FILE=/build/certificates.crt
  # shellcheck disable=SC2016
  OWS_VERSION=$version chroot "$root" sh -euc '
    useradd --create-home --uid 1000 --shell /bin/bash ubuntu
    python3 -m venv /build/uv
    /build/uv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check uv==0.11.15
    uv() { env UV_COMPILE_BYTECODE=0 UV_LINK_MODE=hardlink UV_CACHE_DIR=/build/cache /build/uv/bin/uv "$@"; }
    uv venv --quiet --python /usr/bin/python3 /app
    uv pip install --quiet --python /app/bin/python --constraint /build/constraints.txt \
      "datacube-ows[webserver]==$OWS_VERSION" blinker gunicorn prometheus_client psycopg2-binary
    rm -r /build
    chown -R ubuntu:ubuntu /app'
}

# mmdebstrap's hook is this script again.
if [[ $1 == install ]]; then
  install_ows "$2" "$3"
  exit
fi

export script="$here/prepare.sh" version=$2
# shellcheck disable=SC2016
mmdebstrap --quiet --variant=minbase \
  --include=ca-certificates,gosu,libexpat1,python3,python3-venv,tini \
  --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io --dpkgopt="$here/../dpkg.cfg" \
  --customize-hook='"$script" install "$1" "$version"' \
  bookworm "$1/rootfs.tar"
