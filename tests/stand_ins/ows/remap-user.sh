#!/bin/bash -e
# As upstream's: begins as root, gives user ubuntu the ids LOCAL_UID and LOCAL_GID, goes on as that user below tini.

uid=${LOCAL_UID:-1000}
gid=${LOCAL_GID:-1000}
[[ $uid == 1000 ]] || usermod -u "$uid" -o -m -d /home/ubuntu ubuntu
[[ $gid == 1000 ]] || groupmod -g "$gid" ubuntu
[[ $(id -u) != 0 ]] || become=(/usr/sbin/gosu ubuntu)
exec /usr/bin/tini -- "${become[@]}" "$@"
