#!/usr/bin/env bash
# The same verb on another machine: the runbook and the profile are taken along for this one call.

# Never returns. RUNBOOK_SSH names another ssh command, such as `ssh -F FILE`.
remote() {
    local ssh line argument file number=0 bundle
    read -r -a ssh <<<"${RUNBOOK_SSH:-ssh -o BatchMode=yes}"
    [[ $REMOTE != -* ]] || fail 64 "--host needs USER@HOST, not \`$REMOTE\`"
    bundle=$(mktemp --directory)
    cp --recursive "$RUNBOOK" "$bundle/deploy-runbook"
    line='./deploy-runbook/runbook'
    for file in "${PROFILES[@]}"; do
        number=$((number + 1))
        cp "$file" "$bundle/profile-$number.env" || fail 78 "there is no profile $file"
        line+=" --profile profile-$number.env"
    done
    for argument in "${SETTINGS[@]}"; do
        line+=" --set $(printf '%q' "$argument")"
    done
    line+="${DRY_RUN:+ --dry-run}${JSON:+ --json} $VERB"
    for argument in "${ARGUMENTS[@]}"; do
        line+=" $(printf '%q' "$argument")"
    done
    # bash -c: the login shell there may be another one.
    line="set -e; umask 077; trap '' HUP PIPE
        there=\$(mktemp --directory); trap 'rm -rf \"\$there\"' EXIT
        cd \"\$there\"; tar --extract; code=0; $line </dev/null || code=\$?; exit \"\$code\""
    local code=0
    tar --create --directory="$bundle" . |
        "${ssh[@]}" -- "$REMOTE" "exec bash -c $(printf '%q' "$line")" || code=$?
    rm --recursive --force "$bundle"
    exit "$code"
}
