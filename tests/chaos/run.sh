#!/bin/bash
# Everything at once, for --minutes M (3), as --seed S (1) says. SKEIN_BUILD: which build (build/dev).
exec /usr/bin/python3 -B "$(dirname "$0")/storm.py" "$@"
