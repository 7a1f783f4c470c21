#!/bin/sh
# Replace every replica by one of a new image: the old ones leave the proxy before they stop, so no request is lost.
# A new image that does not get healthy is taken back.
set -eu
cd "$(dirname "$0")/.."
replicas() { docker compose ps --quiet app; }

# Let nginx use these replicas alone, or with no name all that Docker's DNS lists, and wait for its old workers: they
# hold the requests that run in other replicas.
route() {
    servers=$(printf 'server %.12s:8080 max_fails=0; ' "$@")  # DNS knows a container by twelve digits of its id
    [ $# -gt 0 ] && pin="s/set .app .*;/set \$app pinned;/; s/^http {/& upstream pinned { $servers }/" || pin=
    docker compose exec -T proxy sh -c 'sed "$1" /etc/nginx/nginx.conf > /tmp/nginx.conf && nginx -c /tmp/nginx.conf -s reload' - "$pin"
    sleep 1
    while docker compose top proxy | grep -q 'shutting down'; do sleep 1; done
}
remove() { docker stop "$@" > /dev/null && docker rm "$@" > /dev/null; }

old=$(replicas)
new() { replicas | grep --invert-match "$old"; }
# shellcheck disable=SC2046,SC2086  # ids have no spaces
{
    route $old
    if ! docker compose up --detach --build --no-recreate --wait --scale app=$((2 * $(echo "$old" | wc -l))) app; then
        remove $(new)
        route
        exit 1
    fi
    route $(new)
    remove $old
    route
}
