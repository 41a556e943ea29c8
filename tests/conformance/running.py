"""A program that runs, and what it prints meanwhile."""

import re
import subprocess
import threading
import time


class Running:
    """A sample that runs; its output, both streams of it, grows."""

    def __init__(self, command, env, cwd):
        self.output = ""
        self.grown = threading.Condition()
        self.process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.grown:
                self.output += line.decode(errors="replace")
                self.grown.notify_all()
        self.process.wait()
        with self.grown:
            self.grown.notify_all()

    def until(self, text, after, patience):
        """Waits until it has printed a text; gives the place behind it."""
        deadline = time.monotonic() + patience
        with self.grown:
            while (found := self.output.find(text, after)) < 0:
                ended = self.process.poll() is not None
                if ended or not self.grown.wait(min(1, deadline - time.monotonic())):
                    if self.output.find(text, after) < 0 and (ended or time.monotonic() >= deadline):
                        raise RuntimeError(f"did not print {text!r}")
            return found + len(text)

    def types(self, line):
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self):
        self.process.kill()
        self.process.wait()


def tail(output):
    """The end of what was printed, for a table; keys have no place there."""
    text = " / ".join(line.strip() for line in output.splitlines() if line.strip())
    text = re.sub(r"(SharedAccessKey=|sig=)[^\s;&'\"]+", r"\1KEY", text)
    return repr(text if len(text) <= 300 else f"…{text[-300:]}")
