"""Opening what has to be a regular file, whoever put it there: never through a link, never waiting for it.

Knows nothing of what is in it. Opening a FIFO would wait for ever (reliability 2).
"""

from __future__ import annotations

import errno
import os
import stat

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: str) -> int:
    """A descriptor to read a regular file; raises OSError for anything else, which is not waited for."""
    fd = os.open(path, _READ)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.ELOOP, "no regular file is there", path)
