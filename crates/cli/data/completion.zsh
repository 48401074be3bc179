#compdef gantry
# Completion for gantry in zsh: source <(gantry completion zsh), or a file _gantry in fpath.
_gantry() {
    local -a found
    found=("${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${found[1]} == :file ]]; then
        _files
    else
        compadd -a found
    fi
}
if [[ $funcstack[1] == _gantry ]]; then
    _gantry "$@"
else
    compdef _gantry gantry
fi
