#!/usr/bin/env bash
# What an earlier call has left half done: it was killed, or its machine went down.

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
