"""bfgen: a small library that writes Brainfuck programs.

A program is built by calling methods of a `Bf` object; `Bf.text()` returns
the finished source.  Cells are plain integers (offsets); `cell()` and
`cells()` hand out unused ones.  The builder remembers where the pointer is,
so code names the cell it works on and never counts `<` and `>` itself.

Frames.  All offsets are relative to the current *frame*.  Programs without
arrays have one frame that starts at cell 0.  Programs with arrays repeat the
same layout every `stride` cells (`set_stride`); `step(n)` moves to the n-th
frame to the right and `walk(c, n)` keeps stepping by n frames while cell c is
nonzero.  Both leave the builder believing that the pointer is on the same
offset as before, only in another frame: this is how unbalanced loops such as
`[>>>>]` are written.

Tests.  A *test register* is three neighbouring cells k, k+1, k+2; k holds a
value, the other two are zero.  It can be compared with a constant without
being copied or destroyed, see `if_zero`.

Nothing here relies on the width of a cell: constants are only added and taken
away again, and values stay between 0 and 255.
"""

from contextlib import contextmanager
import textwrap

COMMANDS = "<>+-.,[]"
LINE_WIDTH = 76


class Bf:
    """Builder for one Brainfuck program."""

    def __init__(self, header):
        """Start a program whose leading comment is the text `header`."""
        self._parts = []        # finished text: comments and code lines
        self._code = []         # code since the last comment
        self._pos = 0           # offset of the pointer in the current frame
        self._delta = 0         # pointer movement not yet written
        self._next = 0          # next unused cell
        self._stride = 0
        self._header = self._check_header(header)

    # ----------------------------------------------------------- text

    @staticmethod
    def _check_header(header):
        """Return the header as a comment loop; its brackets must balance."""
        depth = 0
        for char in header:
            depth += {"[": 1, "]": -1}.get(char, 0)
            if depth < 0:
                raise ValueError("unbalanced brackets in header")
        if depth:
            raise ValueError("unbalanced brackets in header")
        lines = textwrap.dedent(header).strip().splitlines()
        body = "\n".join(("  " + line).rstrip() for line in lines[1:])
        return "[ " + lines[0] + "\n" + body + "\n]\n"

    def note(self, comment):
        """Put a comment line in front of the code that follows."""
        if any(char in COMMANDS for char in comment):
            raise ValueError("command character in comment: " + comment)
        self._end_section()
        self._parts.append("\n" + comment + "\n")

    def _end_section(self):
        code = "".join(self._code)
        self._code = []
        for start in range(0, len(code), LINE_WIDTH):
            self._parts.append(code[start:start + LINE_WIDTH] + "\n")

    def text(self):
        """Return the complete program."""
        self._end_section()
        return self._header + "".join(self._parts)

    # ----------------------------------------------------- allocation

    def cell(self):
        """Allocate one cell."""
        self._next += 1
        return self._next - 1

    def cells(self, count):
        """Allocate `count` neighbouring cells; return them as a list."""
        return [self.cell() for _ in range(count)]

    def register(self):
        """Allocate a test register; return its value cell."""
        return self.cells(3)[0]

    def registers(self, count):
        """Allocate `count` test registers; return their value cells."""
        return [self.register() for _ in range(count)]

    def set_stride(self, stride=None):
        """Fix the size of a frame, by default all cells allocated so far."""
        self._stride = self._next if stride is None else stride
        return self._stride

    # ------------------------------------------------------- movement

    def goto(self, cell):
        """Move the pointer to an offset of the current frame."""
        self._delta += cell - self._pos
        self._pos = cell

    def step(self, frames):
        """Make the frame `frames` to the right (left if < 0) current."""
        self._delta += frames * self._stride

    def walk(self, cell, frames):
        """Step by `frames` frames for as long as `cell` is nonzero."""
        with self.loop(cell):
            self.step(frames)

    def far(self, cell, frames):
        """Name `cell` of the frame `frames` away as seen from this frame."""
        return cell + frames * self._stride

    def _emit(self, code):
        move = ">" if self._delta > 0 else "<"
        self._code.append(move * abs(self._delta) + code)
        self._delta = 0

    # ----------------------------------------------- single-cell code

    def add(self, cell, amount=1):
        """Add a constant (taken away if negative)."""
        if amount:
            self.goto(cell)
            self._emit(("+" if amount > 0 else "-") * abs(amount))

    def clear(self, *cells):
        """Set cells to zero."""
        for cell in cells:
            self.goto(cell)
            self._emit("[-]")

    def set(self, cell, value):
        """Set a cell to a constant."""
        self.clear(cell)
        self.add(cell, value)

    def read(self, cell):
        """Read one byte (the cell should be zero, see `read_text`)."""
        self.goto(cell)
        self._emit(",")

    def write(self, cell):
        """Print one byte."""
        self.goto(cell)
        self._emit(".")

    def print_text(self, text, cell):
        """Print a constant text using a zero cell, which is zero again after."""
        value = 0
        for char in text:
            self.add(cell, ord(char) - value)
            value = ord(char)
            self.write(cell)
        self.clear(cell)

    # ------------------------------------------------- control flow

    @contextmanager
    def loop(self, cell):
        """Run the body while `cell` is nonzero."""
        self.goto(cell)
        self._emit("[")
        yield
        self.goto(cell)
        self._emit("]")

    @contextmanager
    def repeat(self, cell):
        """Run the body `cell` times, counting the cell down to zero."""
        with self.loop(cell):
            self.add(cell, -1)
            yield

    @contextmanager
    def once(self, cell):
        """Run the body if `cell` is nonzero, after setting it to zero."""
        with self.loop(cell):
            self.clear(cell)
            yield

    @contextmanager
    def if_zero(self, register):
        """Run the body if the test register is zero; the value is kept.

        `[>-]>` ends on k+1 if the value k was zero (k+1 is then still one)
        and on k+2 if not (k+1 is then zero); the loop that follows runs at
        most once and ends on k+2 as well.
        """
        flag, zero = register + 1, register + 2
        self.add(flag)
        self.goto(register)
        self._emit("[>-]>")
        self._emit("[-")
        self._pos = flag
        yield
        self.goto(zero)
        self._emit("]")

    @contextmanager
    def if_equal(self, register, value):
        """Run the body if the test register holds the constant `value`.

        Inside the body the register reads zero; it may be changed there by
        adding, and the constant is added back in any case afterwards.
        """
        self.add(register, -value)
        with self.if_zero(register):
            yield
        self.add(register, value)

    # ------------------------------------------------- data movement

    def move(self, source, *targets):
        """Add `source` to every target and leave it zero.

        A target may be a pair (cell, factor).
        """
        with self.repeat(source):
            for target in targets:
                cell, factor = target if isinstance(target, tuple) else (target, 1)
                self.add(cell, factor)

    def copy(self, source, *targets, temp):
        """Add `source` to every target and keep it; `temp` is a zero cell."""
        self.move(source, temp, *targets)
        self.move(temp, source)

    def read_text(self, cell, flag, temp):
        """Read a byte into a zero cell; make `flag` nonzero if there was one.

        The end of the text is a byte 0 or 255: whatever an implementation
        stores at the end of the input (0, minus one, nothing at all) is one
        of them.  `flag` and `temp` must be zero.
        """
        self.read(cell)
        self.add(cell)
        with self.loop(cell):               # not entered for minus one
            self.add(cell, -1)
            self.move(cell, flag, temp)
        self.move(temp, cell)

    # ------------------------------------------------ decimal numbers

    def count_digit(self, digits, index=0):
        """Add one to a decimal number of test registers, low digit first.

        The number wraps around after its largest value.
        """
        self.add(digits[index])
        with self.if_equal(digits[index], 10):
            self.add(digits[index], -10)
            if index + 1 < len(digits):
                self.count_digit(digits, index + 1)

    def print_digits(self, digits, seen, temp, temp2):
        """Print a decimal number, low digit first, without leading zeros."""
        for index in reversed(range(len(digits))):
            digit = digits[index]
            if index:
                self.copy(digit, temp2, temp=temp)
                with self.once(temp2):
                    self.set(seen, 1)
                self.copy(seen, temp2, temp=temp)
            else:
                self.clear(seen)
                self.add(temp2)
            with self.repeat(temp2):
                self.add(digit, 48)
                self.write(digit)
                self.add(digit, -48)
