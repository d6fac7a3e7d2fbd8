"""Runs Python and pip by the pinned versions alone, whatever the user's environment says.

Of pip's settings, from variables and from files, only those stay that say how to reach a package index: PIP_TARGET, user installs
and the like would put files outside of the checkout. Variables of other Pythons are dropped, since they change what a Python imports.
"""

import ast
import os
import re
import subprocess

# Options of pip that say where packages come from and how to get there, not where they go.
KEPT = frozenset(
    "index-url pypi-url extra-index-url no-index find-links proxy cert client-cert trusted-host timeout default-timeout retries "
    "cache-dir keyring-provider use-feature use-deprecated".split()
)
DROPPED = ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "__PYVENV_LAUNCHER__")
DROPPED_PREFIXES = ("PYTHON", "PIP_")

# Settings that would change what `pip config list` itself lists, writes or runs; variables go before files.
LISTING = {"PIP_USER": "0", "PIP_GLOBAL": "0", "PIP_SITE": "0", "PIP_QUIET": "0", "PIP_VERBOSE": "0", "PIP_LOG": os.devnull}

# What pip says, and what that means. The first that fits counts: without a network pip also finds no matching distribution.
REASONS = (
    (r"No space left on device|Errno 28|Disk quota exceeded", "the disk is full", "free some space and run this again"),
    (r"Permission denied|Errno 13\b|Read-only file system|Operation not permitted",
     "a file cannot be written", "make the checkout writable by this user and run this again"),
    (r"DO NOT MATCH THE HASHES|Hashes are required",
     "a download is not the pinned file", "nothing of it was installed; run this again, or name another package index (PIP_INDEX_URL)"),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError|Could not find a suitable TLS CA certificate bundle",
     "the package index's TLS certificate is not trusted", "name the certificates to trust with PIP_CERT"),
    (r"ProxyError|Cannot connect to proxy|Tunnel connection failed",
     "the proxy does not answer", "correct the proxy (PIP_PROXY, https_proxy) and run this again"),
    (r"NewConnectionError|ConnectTimeout|ReadTimeout|Max retries exceeded|Temporary failure in name resolution|"
     r"Name or service not known|Network is unreachable|Connection refused|Connection reset|Connection broken|"
     r"Connection aborted|IncompleteRead|RemoteDisconnected",
     "the package index cannot be reached", "check the network, or pip's own index settings, and run this again"),
    (r"\b(401|403|407|429|5[0-9][0-9]) (Client|Server) Error|HTTP error [45][0-9][0-9]",
     "the package index refuses", "check pip's index settings (`pip config list`) and run this again"),
    (r"No matching distribution found|Could not find a version that satisfies",
     "the package index does not offer the pinned version for this Python",
     "use a package index that mirrors PyPI, or another Python (PYTHON=...)"),
    (r"Invalid URL|not a valid (URL|editable)|No scheme supplied|Location '.*' is ignored",
     "pip's index settings are wrong", "correct them (`pip config list`) and run this again"),
    (r"Configuration file .*could not be loaded|contains invalid .* characters|could not be loaded|ConfigurationError",
     "pip's configuration file is wrong", "correct it (`pip config debug` names it), or name another with PIP_CONFIG_FILE"),
    (r"No module named '?(ensurepip|venv)|ensurepip is not available",
     "this Python lacks its venv module", "install it (Debian/Ubuntu: apt install python3-venv), or name another Python with PYTHON=..."),
    (r"No module named '?pip|no such option: --python",
     "this Python has no pip that is new enough",
     "install the venv module (Debian/Ubuntu: apt install python3-venv), or name another Python with PYTHON=..."),
    (r"MemoryError|Cannot allocate memory", "memory ran out", "close other programs and run this again"),
)  # fmt: skip


def environment(**variables):
    """The environment of a child: the user's, less what changes what Python imports and where pip puts files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED_PREFIXES) and name not in DROPPED}
    # pip's messages are told apart by their words.
    kept.update(LC_ALL="C.UTF-8", PYTHONNOUSERSITE="1", **variables)
    return kept


def pip_environment(pip_command, command, **variables):
    """For `pip COMMAND`: no configuration file is read, the settings that stay are passed as variables."""
    settings = {**configured(pip_command, command), **from_variables()}
    passed = {"PIP_" + key.upper().replace("-", "_"): value for key, value in settings.items()}
    return environment(**passed, PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", **variables)


def from_variables():
    names = ((name, name[len("PIP_") :].lower().replace("_", "-")) for name in os.environ if name.startswith("PIP_"))
    return {key: os.environ[name] for name, key in names if key in KEPT and os.environ[name]}


def configured(pip_command, command):
    """What pip's own files say: those of the machine, of the user, and the one that PIP_CONFIG_FILE names."""
    files = {name: os.environ[name] for name in ("PIP_CONFIG_FILE",) if name in os.environ}
    result = subprocess.run(
        [str(word) for word in (*pip_command, "config", "list")],
        env=environment(**files, **LISTING, PIP_PYTHON=str(pip_command[0])),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = result.stdout.decode(errors="replace")
    if result.returncode != 0:
        raise CommandError("reading pip's configuration", said, result.returncode)
    by_section = {}
    for section, key, value in re.findall(r"^([\w-]+)\.([\w-]+)=(['\"].*)$", said, re.MULTILINE):
        if key in KEPT:
            by_section.setdefault(section, {})[key] = ast.literal_eval(value)
    return {**by_section.get("global", {}), **by_section.get(command, {})}


class CommandError(Exception):
    """A command that failed: what it did, what it said, why, and what to do."""

    def __init__(self, what, said, code):
        self.said = said.strip()
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        for pattern, reason, remedy in REASONS:
            if re.search(pattern, self.said):
                break
        else:
            # Not a line of a traceback, unless there is nothing else.
            errors = [line for line in lines if re.match(r"(?i)(error|fatal)\b", line)] or lines[-1:]
            reason = f"it said: {errors[-1]}" if errors else f"it ended with code {code}"
            remedy = "TWOFOLD_DEBUG=1 shows all that it said"
        if code < 0:
            reason, remedy = f"it was killed by signal {-code}", "see whether memory ran out, and run this again"
        super().__init__(f"{what} failed: {reason}; help: {remedy}")


def run(command, what, env):
    """Runs `command` and gives what it said."""
    result = subprocess.run([str(word) for word in command], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = result.stdout.decode(errors="replace")
    if result.returncode != 0:
        raise CommandError(what, said, result.returncode)
    return said
