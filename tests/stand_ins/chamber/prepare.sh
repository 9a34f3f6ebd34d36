#!/bin/bash
# Writes chamber $2, built statically, and the certificates it trusts into the folder $1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# Linked as upstream's Makefile links it, so that it knows its version.
cd "$here/../../tools"
GOBIN=$1 CGO_ENABLED=0 go install -trimpath -ldflags "-s -w -X main.Version=v$2" github.com/segmentio/chamber/v2
cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$1/ca-certificates.crt"
