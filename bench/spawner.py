"""Runs the commands of a file, JOBS at a time, and does nothing else: `python -I -S spawner.py JOBS FILE`.

What a tool takes longer than this is what it adds. Knows nothing of outputs and dependencies.
"""

import os
import sys


def main() -> None:
    """Exit 1 if a command fails."""
    jobs, path = int(sys.argv[1]), sys.argv[2]
    with open(path) as lines:
        commands = [line.rstrip("\n").split("\t") for line in lines]
    streams = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    failed = False
    for number, command in enumerate(commands):
        if number >= jobs:
            failed |= os.wait()[1] != 0
        os.posix_spawnp(command[0], command, os.environ, file_actions=streams)
    for _ in commands[:jobs]:
        failed |= os.wait()[1] != 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
