#!/usr/bin/env bash
# The ledger and the feed. A record is kept in the outbox until the service has taken it: it may be
# down just now, and the runbook may be killed before it has an answer.

# record_snapshot ID LABEL
record_snapshot() {
    local when=pre-deploy record
    [[ $2 != post-* ]] || when=post-deploy
    record=$(jq --null-input --compact-output --arg id "$1" --arg vm "$LEDGER_VM" --arg why "$2" \
        --arg agent "$LEDGER_AGENT" --arg when "$when" '{commitId: $id, vmId: $vm, "label": $why,
            agent: $agent, tags: ["backup", "infra", $when]}')
    outbox_put "commits-$1" "$record"
    outbox_send
}

# record_event TYPE DEPLOY SUMMARY: what became of a deploy.
record_event() {
    local record
    record=$(jq --null-input --compact-output --arg type "$1" --arg deploy "$2" --arg summary "$3" \
        --arg agent "$LEDGER_AGENT" --arg app "$APP" --arg release "$(current_release)" \
        '{agent: $agent, type: $type, summary: $summary,
            metadata: {deploy: $deploy, app: $app, release: $release}}')
    outbox_put "feed-$2-$1" "$record"
    outbox_send
}

outbox_put() {
    if [[ $LEDGER == no ]]; then
        note ledger 'not recorded: the profile says LEDGER=no'
        return 0
    fi
    [[ ! $DRY_RUN ]] || return 0
    local kept=("$ROOT"/outbox/*.json)
    # A service that never takes them must not fill the disk: the oldest gives way.
    ((${#kept[@]} < 100)) || rm --force "$(stat --format='%.Y %n' "${kept[@]}" |
        sort --numeric-sort | awk 'NR == 1 { sub(/^[^ ]+ /, ""); print }')"
    replace "$ROOT/outbox/$1.json" <<<"$2"
}

# Sends what waits. What cannot be sent now waits for the next call.
outbox_send() {
    local file waiting=0
    for file in "$ROOT"/outbox/*.json; do
        ((waiting == 0)) && outbox_send_one "$file" || waiting=$((waiting + 1))
    done
    ((waiting == 0)) || note ledger "$waiting records wait: the service does not take them now"
}

outbox_send_one() {
    local name=${1##*/} path=/feed/events status
    [[ $name != commits-* ]] || path=/commits
    if [[ $path == /feed/events ]] && feed_has "$1"; then
        rm --force "$1"
        return 0
    fi
    status=$(http POST "$URL$path" auth "$(<"$1")")
    case $status in
    201 | 409) note ledger "recorded: ${name%.json}" ;;
    404) note ledger "not recorded: $URL$path is not there (404)" ;;
    400) note ledger "not recorded: ${name%.json} is refused: $(head --bytes=120 "$BODY")" ;;
    *) return 1 ;;
    esac
    rm --force "$1"
}

# Whether an earlier call has published the same, and was killed before it noted that.
feed_has() {
    local agent
    agent=$(jq --null-input --raw-output --arg agent "$LEDGER_AGENT" '$agent | @uri')
    [[ $(http GET "$URL/feed/events?limit=100&agent=$agent" auth) == 200 ]] || return 1
    jq --exit-status --slurpfile mine "$1" 'any(.type == $mine[0].type
        and .metadata.deploy? == $mine[0].metadata.deploy)' "$BODY" >/dev/null 2>&1
}
