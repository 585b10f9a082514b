"""Regenerate the generated samples.

    python3 samples/gen/make.py            rewrite all generated .b files
    python3 samples/gen/make.py NAME ...   only these
    python3 samples/gen/make.py --check    write nothing; fail if a committed
                                           file differs from its generator
"""

import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
NOT_SAMPLES = {"bfgen", "make"}


def names():
    """Names of all generated samples."""
    found = {path.stem for path in HERE.glob("*.py")} - NOT_SAMPLES
    return sorted(found)


def generate(name):
    """Source text of one sample."""
    return importlib.import_module(name).program()


def main(arguments):
    """Command line entry; returns the exit status."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(HERE))
    check = "--check" in arguments
    wanted = [name for name in arguments if name != "--check"] or names()
    stale = []
    for name in wanted:
        target = HERE.parent / (name + ".b")
        text = generate(name)
        if target.exists() and target.read_text() == text:
            continue
        stale.append(name)
        if not check:
            target.write_text(text)
    if check and stale:
        print("out of date:", " ".join(stale))
        return 1
    print(("rewritten: " + " ".join(stale)) if stale else "all up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
