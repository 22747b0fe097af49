#!/usr/bin/env bash
# The steps of a deploy, and how one that was interrupted is finished or undone.

# step NAME FUNCTION [ARGUMENT]...: in a subshell, so that its failure can be answered. Sets
# STEP_CODE; must not be called in a condition, since bash would then ignore failures inside.
step() {
    local STEP=$1
    shift
    rm --force "$SCRATCH/cause"
    set +e
    (
        set -e
        "$@"
    )
    STEP_CODE=$?
    set -e
    [[ $STEP_CODE == @(0|1[0-7]|64|75|78) ]] || STEP_CODE=70
    if ((STEP_CODE == 0)); then note step "$STEP: done"; else note step "$STEP: failed ($STEP_CODE)"; fi
}

# Why the last step failed.
step_cause() { cat "$SCRATCH/cause" 2>/dev/null || printf 'the runbook itself failed'; }

# Whether anything that runs has been touched since the journal was begun.
journal_is_past_build() { [[ $(journal_get step) == @(switch|start|smoke|undo) ]]; }

# Goes back to where the deploy began, and says why. Ends with the code of what had failed, or
# with 16 if the way back failed, too.
undo_deploy() {
    local code=$1 why=$2 deploy before
    deploy=$(journal_get deploy)
    before=$(journal_get before)
    if ! journal_is_past_build; then
        deploy_failed "$code" "$why; nothing that runs was changed"
    fi
    journal_set step undo
    if [[ ! $before ]]; then
        stop_service
        rm --force "$ROOT/current"
        deploy_failed "$code" "$why; there was no release before, so nothing serves now"
    fi
    step rollback activate "$before"
    ((STEP_CODE == 0)) || fail 16 "$why; and $before did not come up again: see runbook status, runbook logs"
    step smoke smoke_all
    ((STEP_CODE == 0)) || fail 16 "$why; $before runs again but does not pass smoke: see runbook logs"
    deploy_failed "$code" "$why; release $before serves again"
}

# The end of a deploy that came to nothing; a code of 0 means that the caller goes on.
deploy_failed() {
    local deploy
    deploy=$(journal_get deploy)
    record_event task_failed "$deploy" "deploy of $APP $(journal_get target) failed: $2"
    journal_end
    (($1 == 0)) || fail "$1" "$2"
    say "$2"
    return 0
}

stop_service() {
    if [[ $SYSTEMD_UNIT ]]; then $SYSTEMCTL stop "$SYSTEMD_UNIT"; else stop_recorded; fi
}

# What comes after a passed smoke; each part may be done twice.
finish_deploy() {
    local deploy target
    deploy=$(journal_get deploy)
    target=$(journal_get target)
    good_append "$target"
    if [[ ! $(journal_get after) && ! $(journal_get unsaved) ]]; then
        step snapshot snapshot_after
        ((STEP_CODE == 0)) || note warning "there is no snapshot of the new state; take one: runbook snapshot"
    fi
    record_event task_completed "$deploy" "deployed $APP $target"
    journal_end
    prune_releases "$KEEP_RELEASES"
}

snapshot_before() {
    take_snapshot pre-deploy-backup
    journal_set snapshot "$SNAPSHOT"
}

snapshot_after() {
    take_snapshot post-deploy
    journal_set after "$SNAPSHOT"
}

# Puts in order what an earlier call has left half done. Sets RECOVERED to what became of it.
recover() {
    local verb at
    RECOVERED=''
    verb=$(journal_get verb)
    at=$(journal_get step)
    [[ $verb ]] || return 0
    say "an earlier $verb was interrupted at step $at"
    note recovered "an earlier $verb, interrupted at step $at"
    if [[ $DRY_RUN ]]; then
        note would "finish or undo it"
        return 0
    fi
    case $verb/$at in
    deploy/record)
        RECOVERED=finished
        step recover finish_deploy
        ;;
    deploy/*)
        RECOVERED=undone
        step recover undo_deploy 0 "the deploy was interrupted at step $at"
        ;;
    *)
        RECOVERED=finished
        step recover finish_activation
        ;;
    esac
    # What cannot be put in order must not keep the next release from being deployed.
    [[ ! $(journal_get verb) ]] || note warning "could not put in order: $(step_cause)"
    journal_end
}

# The rest of a restart, rollback or restore.
finish_activation() {
    local aside
    aside=$(journal_get aside)
    if [[ $aside ]]; then
        stop_service
        restore_swap "$aside"
    fi
    activate "$(journal_get target)"
    journal_end
}
