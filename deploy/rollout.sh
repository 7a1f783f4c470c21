#!/bin/sh
# Replace every replica by one of a new image: the old ones leave the proxy before they stop, so no request is lost.
# A new image that cannot be built or does not get healthy is taken back, and so is a rollout that is interrupted.
# shellcheck disable=SC2016,SC2046,SC2086  # ids have no spaces
set -eu
cd "$(dirname "$0")/.."
replicas() { docker compose ps --quiet "$@" app; }
new() { replicas | grep --invert-match "$old"; }
proxy() { docker compose exec -T proxy "$@"; }

# Remove the replicas that do not run, or start again and again: nginx would find no address, and nobody gets them healthy.
clear_up() {
    docker compose rm --force app > /dev/null
    for id in $(replicas); do
        case $(docker inspect --format '{{.State.Status}} {{gt .RestartCount 0}} {{with .State.Health}}{{.Status}}{{end}}' "$id") in
        restarting* | *"true starting") docker rm --force "$id" > /dev/null ;;
        esac
    done
}
# Send requests to these replicas alone, or without a name to all that Docker's DNS lists, and wait until nginx's old
# workers have finished theirs.
route() {
    servers=$(printf 'server %.12s:8080 max_fails=0; ' "$@")  # DNS knows a container by twelve digits of its id
    [ $# -gt 0 ] && pin="s/set .app .*;/set \$app pinned;/; s/^http {/& upstream pinned { $servers }/" || pin=
    proxy sh -c 'sed "$1" /etc/nginx/nginx.conf > /tmp/nginx.conf && nginx -c /tmp/nginx.conf -s reload' - "$pin"
    sleep 1
    while docker compose top proxy | grep -q 'shutting down'; do sleep 1; done
}
unlock() { proxy rm -rf /tmp/rollout; }
finish() {
    unlock
    route
    docker rmi "$image-before" > /dev/null
}
take_back() {
    trap '' INT TERM
    sleep 2  # the engine may still be making one
    for id in $(new); do
        docker logs --tail 60 "$id" >&2
        docker rm --force "$id" > /dev/null
    done
    clear_up
    docker tag "$image-before" "$image"  # for the next docker compose up
    finish
    echo "Taken back: the old replicas serve, and $image is their image again." >&2
}

proxy nginx -t -q -c /etc/nginx/nginx.conf  # an error in it would stop the rollout half way
first=$(replicas --all | head -n 1)
image=$([ ! "$first" ] || docker inspect --format '{{.Config.Image}}' "$first")
# A lock, because a second rollout would take the first one's new replicas for old ones.
if ! proxy mkdir /tmp/rollout; then
    echo "Another rollout runs. If it was killed, put its image back, and restart the proxy, which interrupts requests:" >&2
    echo "docker tag $image-before $image; docker compose up --detach --no-deps --wait app && docker compose restart proxy" >&2
    exit 1
fi
trap 'exit 1' INT TERM
trap unlock EXIT
clear_up
old=$(replicas)
[ "$old" ] || { echo "No replica runs, start them: docker compose up --detach --build" >&2; exit 1; }
# The engine deletes an untagged image: the old one keeps a name, by which it can be taken back.
docker tag "$(docker inspect --format '{{.Image}}' $old | head -n 1)" "$image-before"
trap take_back EXIT
route $old
# --no-deps: a service that the app depends on would start again on its old image.
docker compose up --detach --build --no-deps --no-recreate --wait --scale app=$((2 * $(echo "$old" | wc -l))) app
trap '' INT TERM
trap finish EXIT
route $(new)
docker stop $old > /dev/null
docker rm $old > /dev/null
echo "Replaced: the new replicas serve." >&2
