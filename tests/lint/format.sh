#!/usr/bin/env bash
# clang-format over every source; with --fix it writes the files. Then: no absolute home paths, no
# tabs or trailing blanks where .editorconfig forbids them.
set -euo pipefail
cd "$(dirname "$0")/../.."

mode=(--dry-run -Werror)
[ "${1:-}" = --fix ] && mode=(-i)

existing()
{
  git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard -- "$@" |
    while IFS= read -r -d '' file; do [ -f "$file" ] && printf '%s\0' "$file"; done
}

existing '*.c' '*.h' '*.proto' | xargs -0 -r -n 40 -P "$(nproc)" clang-format "${mode[@]}"

status=0
complain()
{
  if [ -n "$2" ]; then
    printf '%s\n%s\n' "$1" "$2"
    status=1
  fi
}
texts=('*.c' '*.h' '*.proto' '*.py' '*.sh' '*.md' '*.cmake' '*.yaml' '*.json' '*.sql' '*CMakeLists.txt')
complain 'trailing blanks:' "$(existing "${texts[@]}" | xargs -0 -r grep -nE '[[:blank:]]+$' || true)"
complain 'tabs:' "$(existing '*.c' '*.h' '*.proto' '*.py' | xargs -0 -r grep -nP '\t' || true)"
complain 'paths of one machine:' \
  "$(existing '*' | xargs -0 -r grep -InE '(^|[^A-Za-z0-9_./-])/(home|root|Users)/[A-Za-z0-9_]' || true)"
exit $status
