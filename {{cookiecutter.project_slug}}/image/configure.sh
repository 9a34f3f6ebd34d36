#!/bin/sh
# Sourced by run.sh: what OWS, matplotlib and GDAL need in the environment beside the secrets.

# A task definition that sets DATACUBE_OWS_CFG (a Python module, say) has the last word.
if [ -z "${DATACUBE_OWS_CFG:-}" ]; then
    DATACUBE_OWS_CFG=/tmp/ows.json
    python3 -m ows_jobs.configuration "$DATACUBE_OWS_CFG"
    export DATACUBE_OWS_CFG
fi

# Matplotlib ignores a list of fonts in a folder that it cannot write to.
if [ ! -e "$MPLCONFIGDIR" ]; then
    cp -R /ows/matplotlib "$MPLCONFIGDIR"
fi

# GDAL does not know AWS_ENDPOINT_URL, by which boto3 finds an embedded AWS.
if [ -n "${AWS_ENDPOINT_URL:-}" ]; then
    AWS_S3_ENDPOINT="${AWS_ENDPOINT_URL#*://}"
    AWS_S3_ENDPOINT="${AWS_S3_ENDPOINT%%/*}"
    case "$AWS_ENDPOINT_URL" in
        https://*) AWS_HTTPS=YES ;;
        *) AWS_HTTPS=NO ;;
    esac
    AWS_VIRTUAL_HOSTING=FALSE
    export AWS_S3_ENDPOINT AWS_HTTPS AWS_VIRTUAL_HOSTING
fi
