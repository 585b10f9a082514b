"""The programs to measure.  Used by bench.py and trend.py."""

import os


class Program:
    """A program NAME.b with its input NAME.in and the output it should have, NAME.out.

    Without the first it reads nothing, without the second any output is right.
    """

    def __init__(self, path):
        stem = path[:-2]
        self.path = path
        self.name = os.path.basename(stem)
        self.input = stem + ".in" if os.path.exists(stem + ".in") else os.devnull
        self.expected = None
        if os.path.exists(stem + ".out"):
            with open(stem + ".out", "rb") as file:
                self.expected = file.read()


def find_programs(places, only):
    """The programs of all places (files NAME.b and directories), in alphabetical order within each.

    `only`: None, or the names to choose, separated by commas.
    """
    paths = []
    for place in places:
        if place.endswith(".b"):
            paths.append(place)
        else:
            names = sorted(name for name in os.listdir(place) if name.endswith(".b"))
            paths += [os.path.join(place, name) for name in names]
    programs = [Program(path) for path in paths]
    return [p for p in programs if only is None or p.name in only.split(",")]
