"""Prints how many bytes the named distributions have installed, with everything that they require."""

import re
import sys
from importlib import metadata

from pip._vendor.packaging.requirements import Requirement


def key(name):
    return re.sub(r"[-_.]+", "-", name).lower()


waiting, seen, size = [key(name) for name in sys.argv[1:]], set(), 0
while waiting:
    name = waiting.pop()
    if name in seen:
        continue
    seen.add(name)
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        continue
    for file in distribution.files or []:
        path = file.locate()
        size += path.stat().st_size if path.is_file() else 0
    for line in distribution.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            waiting.append(key(requirement.name))
print(size)
