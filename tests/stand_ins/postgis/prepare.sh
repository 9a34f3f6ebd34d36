#!/bin/bash
# Writes rootfs.tar into the folder $1: Debian with PostgreSQL and PostGIS in the versions of the tag $2, such as 17-3.5.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
major=${2%-*}

# The entrypoint makes the cluster, not the package. JIT compilation costs 200 MB of LLVM and serves large queries only.
# shellcheck disable=SC2016
mmdebstrap --quiet --variant=minbase \
  --include="postgresql-$major,postgresql-$major-postgis-3" \
  --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io --dpkgopt="$here/../dpkg.cfg" \
  --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' --dpkgopt='path-exclude=/usr/lib/*/libz3*' \
  --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/llvmjit*' --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' \
  --essential-hook='mkdir -p "$1/etc/postgresql-common"' \
  --essential-hook='echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"' \
  trixie "$1/rootfs.tar"
