#!/bin/sh
# Replace every replica by one of a new image, without losing a request of up to 30 s:
#   deploy/rollout.sh          build the new image
#   deploy/rollout.sh IMAGE    take this one, such as the image before the last rollout
# The old replicas leave the proxy before they stop. The new ones are judged by their
# HEALTHCHECK alone: one answer below 500 from each. Without it, or when interrupted, the
# rollout is undone.
# shellcheck disable=SC2016,SC2046,SC2086  # ids have no spaces
set -eu
cd "$(dirname "$0")/.."

case "$#${1-}" in
0 | 1[!-]*) ;;
*) echo "Usage: deploy/rollout.sh [IMAGE]" >&2 && exit 2 ;;
esac
replicas() { docker compose ps --quiet "$@" app; }
new_replicas() { replicas | grep --invert-match "$old"; }
proxy() { docker compose exec -T proxy "$@"; }
say() { echo "$@" >&2 || true; }  # whoever reads it may have gone

# Remove the replicas that do not run, or restart in a loop: they never become healthy.
remove_broken_replicas() {
    docker compose rm --force app > /dev/null
    state='{{.State.Status}} {{gt .RestartCount 0}} {{with .State.Health}}{{.Status}}{{end}}'
    for id in $(replicas); do
        case $(docker inspect --format "$state" "$id") in
        restarting* | *"true starting") docker rm --force "$id" > /dev/null ;;
        esac
    done
}

# Load nginx's settings, and wait until its old workers have finished their requests.
# This is `nginx -s reload` without its output, which nobody may read any more.
reload() {
    proxy nginx -t -q
    docker compose kill --signal HUP proxy
    sleep 1
    while docker compose top proxy | grep -q 'shutting down'; do sleep 1; done
}

# Send requests only to these replicas. To all, if these do not answer: a rollout may be
# killed, and then `docker compose up` may remove them.
route_to() {
    servers=
    for id in "$@"; do
        # Docker's DNS knows twelve digits of a container's id. gunicorn listens on IPv4.
        address=$(proxy getent ahostsv4 "$(echo "$id" | cut -c 1-12)" | awk 'NR == 1 { print $1 }')
        servers="$servers server $address:8080;"
    done
    upstream="upstream pinned { zone pinned 64k; $servers server app:8080 resolve backup; }"
    proxy sh -c 'echo "$1" > /run/rollout/route.conf' - "$upstream map '' \$app { default pinned; }"
    reload
}

# The folder is the lock too: a second rollout would take the new replicas for old ones.
unlock() { proxy rm -rf /run/rollout; }
route_to_all() {
    unlock
    reload
}

keep_old_image() {  # for the next docker compose up
    if docker tag "$old_image" "$image"; then say "$image names the old image again."; fi
}
cancel() {
    keep_old_image
    unlock
}
undo() {
    trap '' HUP INT TERM
    set +e  # each step helps, whatever became of the one before
    sleep 2  # the engine may still be making a replica
    for id in $(new_replicas); do
        docker logs --tail 60 "$id" >&2
        docker rm --force "$id" > /dev/null
    done
    remove_broken_replicas
    keep_old_image
    route_to_all
    say "Rollout undone: the old replicas are serving."
}

proxy nginx -t -q  # an error in its settings would stop the rollout half way
first=$(replicas --all | head -n 1)
image=$([ ! "$first" ] || docker inspect --format '{{.Config.Image}}' "$first")
if ! proxy mkdir /run/rollout; then
    say "Another rollout is running. If it was killed, run this, which interrupts requests:"
    say "docker tag $image-before $image; docker compose up --detach --no-deps --wait app" \
        "&& docker compose restart proxy"
    exit 1
fi
trap '' PIPE
trap 'exit 1' HUP INT TERM
trap unlock EXIT
remove_broken_replicas
old=$(replicas)
if ! [ "$old" ]; then
    say "No replica is running. Start them: docker compose up --detach --build"
    exit 1
fi
old_image=$(docker inspect --format '{{.Image}}' $old | head -n 1)
trap cancel EXIT
[ $# -eq 0 ] || docker tag "$1" "$image"
# The engine deletes an untagged image: the old one keeps a name until the next rollout.
way_back="The way back: deploy/rollout.sh $image-before"
docker tag "$old_image" "$image-before" || way_back="No way back: a build has removed the old image."
[ $# -gt 0 ] || docker compose build app
export COMPOSE_PROGRESS=quiet  # from here on, nothing fails because nobody reads it
trap undo EXIT
route_to $old
# --no-deps: a service that the app depends on would start again on its old image.
docker compose up --detach --no-build --no-deps --no-recreate --wait \
    --scale app=$((2 * $(echo "$old" | wc -l))) app
new=$(new_replicas)  # here, where a failure still undoes
trap '' HUP INT TERM
trap 'route_to_all; say "Half done: old and new replicas are serving."' EXIT
route_to $new
docker stop $old > /dev/null
docker rm $old > /dev/null
trap - EXIT
route_to_all
say "Rollout done: the new replicas are serving. $way_back"
