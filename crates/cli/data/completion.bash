# Completion for gantry in bash: source <(gantry completion bash)
_gantry() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}") line
    # Words are split at colons, which image names have: put them together again.
    local joined=() word glue=
    for word in "${words[@]}"; do
        if [[ $word == : || $word == = || -n $glue ]] && ((${#joined[@]})); then
            joined[-1]+=$word
            [[ $word == : || $word == = ]] && glue=1 || glue=
        else
            joined+=("$word")
            glue=
        fi
    done
    local last=${joined[-1]} cut=
    [[ $last == *[:=]* ]] && cut=${last%"${last##*[:=]}"}
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :file ]]; then
            compopt -o default
            COMPREPLY=()
            return
        fi
        COMPREPLY+=("${line#"$cut"}")
    done < <("${COMP_WORDS[0]}" __complete "${joined[@]}" 2>/dev/null)
}
complete -F _gantry gantry
