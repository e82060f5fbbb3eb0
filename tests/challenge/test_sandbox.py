"""Programs of strangers, some of them hostile."""

import errno
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.challenge.conftest import Confine

from anylect.challenge.sandbox import Outcome, Sandbox
from anylect.errors import ConfigError

PYTHON = sys.executable


def execute(box: Sandbox, program: str, **environment: str) -> Outcome:
    path = box.scratch / "program.py"
    path.write_text(program, encoding="utf-8")
    return box.run([PYTHON, box.inside(path)], cwd=box.scratch, environment=environment)


@pytest.mark.parametrize("isolation", ["required", "none"])
def test_a_program_runs_and_leaves_what_it_writes(confine: Confine, isolation: str) -> None:
    box = confine(isolation)
    done = execute(box, "open('made', 'w').write('x'); print('hej')")
    assert (done.ending, done.exit_code, done.output) == ("finished", 0, "hej\n")
    assert (box.scratch / "made").read_text() == "x"


def test_files_outside_are_not_there(confine: Confine, tmp_path: Path) -> None:
    secret = tmp_path / "references.jsonl"
    secret.write_text("the references")
    box = confine()
    program = f"""
import os, pathlib
for place in ({str(secret)!r}, {str(tmp_path)!r}, "/home", "/etc/shadow", "/var"):
    print(os.path.exists(place))
os.symlink({str(secret)!r}, "link")
try:
    print(open("link").read())
except OSError as error:
    print(type(error).__name__)
found = [path for top in ("/proc", "/dev", "/tmp", "/scratch", "/etc") for path, _, names
         in os.walk(top) for name in names if name == {secret.name!r}]
print(found)
"""
    assert execute(box, program).output.split() == ["False"] * 5 + ["FileNotFoundError", "[]"]


def test_what_is_visible_may_lie_below_a_folder_that_is_writable(confine: Confine) -> None:
    """As the interpreter of an environment in /tmp does, whose own /tmp the cell replaces."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        (Path(place) / "shown").write_text("it is there")
        Path(place).chmod(0o755)
        box = confine()
        box = replace(box, visible=(*box.visible, Path(place)))
        program = f"""
print(open({str(Path(place) / "shown")!r}).read())
open("/tmp/mine", "w").write("x")
try:
    open({str(Path(place) / "more")!r}, "w")
except OSError as error:
    print(type(error).__name__, error.errno)
"""
        done = execute(box, program)
    assert done.output.splitlines() == ["it is there", f"OSError {errno.EROFS}"]


def test_the_environment_holds_what_is_given_and_no_more(confine: Confine) -> None:
    program = """
import os
print(sorted(name for name in os.environ if name != "LC_CTYPE"))
print(open("/proc/self/environ").read())
try:
    print(open("/proc/1/environ").read() or "empty")
except OSError:
    print("closed")
"""
    lines = execute(confine(), program, HOME="/scratch").output.splitlines()
    assert lines[0] == "['HOME']"
    assert lines[1].rstrip("\0") == "HOME=/scratch"
    assert lines[2] in ("empty", "closed")


def test_nothing_but_the_scratch_folder_can_be_written_to(confine: Confine) -> None:
    program = f"""
import os, sys
for place in ("/usr/x", "/x", {os.__file__ + "x"!r}, "/etc/x", "/dev/x"):
    try:
        open(place, "w")
        print("written", place)
    except OSError:
        pass
"""
    assert execute(confine(), program).output == ""


def test_there_is_no_network(confine: Confine) -> None:
    program = """
import socket
for place in (("127.0.0.1", 80), ("1.1.1.1", 80)):
    try:
        socket.create_connection(place, 1)
    except OSError as error:
        print(error.errno)
print(socket.if_nameindex())
"""
    first, second, names = execute(confine(), program).output.splitlines()
    assert first == second == "101"  # network is unreachable
    assert "eth" not in names


def test_rights_are_gone(confine: Confine) -> None:
    program = """
import os, signal
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(status["CapEff"].strip(), status["NoNewPrivs"].strip(), os.getuid() == 0)
print(sorted(name for name in os.listdir("/proc") if name.isdigit()))
try:
    os.kill(1, signal.SIGKILL)
except OSError as error:
    print(type(error).__name__)
"""
    lines = execute(confine(), program).output.splitlines()
    assert lines[0] == "0000000000000000 1 False"
    assert lines[1] == "['1', '2']"


def test_an_endless_loop_is_ended(confine: Confine) -> None:
    began = time.monotonic()
    done = execute(confine(seconds=0.5), "while True: pass")
    assert done.ending == "timeout"
    assert time.monotonic() - began < 5


def test_cpu_time_is_limited_besides(confine: Confine) -> None:
    assert execute(confine(cpu_seconds=1.0), "while True: pass").ending == "timeout"


def test_a_program_that_ignores_signals_is_ended_too(confine: Confine) -> None:
    program = """
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1)
"""
    assert execute(confine(seconds=0.5), program).ending == "timeout"


def test_memory_is_limited_for_each_process(confine: Confine) -> None:
    done = execute(confine(memory_gb=0.5), "hog = bytearray(10**9)")
    assert done.ending == "failed"
    assert "MemoryError" in done.output


def test_memory_is_limited_for_all_processes_together(confine: Confine) -> None:
    program = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        hog = bytearray(b"1") * 150_000_000
        time.sleep(60)
time.sleep(60)
"""
    done = execute(confine(memory_gb=0.5), program)
    assert done.ending == "memory"
    assert done.most_memory_gb > 0.5


def test_disk_is_limited(confine: Confine) -> None:
    program = """
import time
for number in range(3):
    open(f"big{number}", "wb").write(b"1" * 30_000_000)
time.sleep(60)
"""
    assert execute(confine(disk_gb=0.05), program).ending == "disk"
    endless = "stream = open('big', 'wb')\nwhile True: stream.write(b'1' * 1_000_000)"
    done = execute(confine(disk_gb=0.05), endless)
    assert done.ending in ("disk", "failed")
    assert "File too large" in done.output or done.ending == "disk"


def test_a_flood_of_output_is_read_and_its_end_kept(confine: Confine) -> None:
    program = "for _ in range(300_000): print('x' * 100)\nprint('the end')"
    done = execute(confine(), program)
    assert done.ending == "finished"
    assert done.output.endswith("the end\n")
    assert len(done.output) <= 16_384


def test_forks_are_limited_and_end_with_the_program(confine: Confine) -> None:
    box = confine(seconds=1.0, processes=40)
    program = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    assert execute(box, program).ending == "timeout"
    assert not of_sandbox(box)


def test_what_hides_in_the_background_ends_with_the_program(confine: Confine) -> None:
    box = confine()
    program = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
"""
    began = time.monotonic()
    assert execute(box, program).ending == "finished"
    assert time.monotonic() - began < 10
    assert not of_sandbox(box)


def test_a_program_that_fails_says_how(confine: Confine) -> None:
    done = execute(confine(), "import sys; sys.exit(3)")
    assert (done.ending, done.exit_code) == ("failed", 3)
    done = execute(confine(), "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert (done.ending, done.signal) == ("failed", 11)


def test_what_cannot_be_started_is_refused(confine: Confine) -> None:
    box = confine()
    with pytest.raises(ConfigError, match=r"cannot be run in a cell: .*No such file"):
        box.run(["/scratch/missing"], cwd=box.scratch, environment={})


def test_what_holds_is_stated(confine: Confine) -> None:
    assert "isolated: a root of its own" in confine().statement()[0]
    statement = " ".join(confine("none").statement())
    assert "NOT isolated" in statement
    assert "it could read that user's files, the references too" in statement


def of_sandbox(box: Sandbox) -> list[str]:
    """Return processes of this machine that run our program."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text()
        except OSError:
            continue
        if "program.py" in line and box.inside(box.scratch / "program.py") in line:
            found.append(line)
    return found
