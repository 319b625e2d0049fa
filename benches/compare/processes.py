"""The processes that are compared: how they are installed, started, asked, and known to be idle."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Unavailable(Exception):
    """A peer that cannot be had here, and why."""


class Failed(Exception):
    """A worker that gave an error, or no answer."""


class Peer:
    """How a worker is made and started."""

    def __init__(self, name, runs, models=None):
        self.name = name
        self.runs = runs
        self.models = models

    def can(self, case):
        """Whether it has what a case asks for."""
        model = case.command.get("model")
        known = model is None or self.models is None or model in self.models
        return known and case.command["run"] in self.runs

    def install(self, setup):
        raise NotImplementedError

    def command(self, setup):
        raise NotImplementedError

    def environment(self):
        return {}

    def size(self, setup):
        """Bytes on disk that a program which uses it brings along, and what they are of."""
        raise NotImplementedError


class Python(Peer):
    def __init__(self, name, runs, worker, packages, arguments=(), environment=None, lacks=()):
        super().__init__(name, runs)
        self.lacks = lacks
        self.worker = worker
        self.packages = [*packages, "numpy"]
        self.arguments = arguments
        self.variables = environment or {}

    def can(self, case):
        return case.command.get("model") not in self.lacks and super().can(case)

    def install(self, setup):
        setup.install_packages(self.packages)

    def command(self, setup):
        worker = HERE / "workers" / self.worker
        return [setup.python(), worker, "--threads", setup.threads, *self.arguments]

    def environment(self):
        return self.variables

    def size(self, setup):
        script = HERE / "workers" / "installed_size.py"
        out = run([setup.python(), script, *self.packages])
        return int(out), "installed packages"


class Rust(Peer):
    def install(self, setup):
        manifest = HERE / "rust-peers" / "Cargo.toml"
        what = ["--manifest-path", manifest, "--features", self.name, "--bin", self.name]
        setup.cargo_build(what, setup.peers_target)

    def command(self, setup):
        return [setup.peers_target / "release" / self.name, "--threads", setup.threads]

    def size(self, setup):
        return binary_size(self.command(setup)[0])


class Ours(Peer):
    def install(self, setup):
        what = ["--manifest-path", ROOT / "Cargo.toml", "--example", "compare_worker"]
        setup.cargo_build(what, setup.target)

    def command(self, setup):
        worker = setup.target / "release" / "examples" / "compare_worker"
        return [worker, "--threads", setup.threads]

    def size(self, setup):
        return binary_size(self.command(setup)[0])


MODELS = {"train", "predict"}
# The models that the workers in Rust have written down themselves; those in Python read any.
WRITTEN = {"mnist_cnn", "mlp"}
OURS = Ours("brolga", {"train", "predict", "conv", "matmul", "scan"})
# Keras has no cache of keys and values, JAX no CTC, and ONNX files are written of one input.
CACHE, CTC = {"generation"}, {"speech_ctc"}
KERAS_JAX = {"KERAS_BACKEND": "jax"}
KERAS_TENSORFLOW = {"KERAS_BACKEND": "tensorflow"}
PEERS = [
    Python("pytorch", {*MODELS, "conv", "matmul"}, "torch_worker.py", ["torch"]),
    Python("torch.compile", MODELS, "torch_worker.py", ["torch"], ["--compile"]),
    Python(
        "keras-tensorflow",
        MODELS,
        "keras_worker.py",
        ["keras", "tensorflow-cpu"],
        environment=KERAS_TENSORFLOW,
        lacks=CACHE,
    ),
    Python(
        "keras-jax",
        MODELS,
        "keras_worker.py",
        ["keras", "jax", "jaxlib"],
        environment=KERAS_JAX,
        lacks=CACHE,
    ),
    Python("jax", {*MODELS, "scan"}, "jax_worker.py", ["jax", "jaxlib"], lacks=CTC),
    # Its files are written by PyTorch.
    Python(
        "onnxruntime",
        {"predict"},
        "onnxruntime_worker.py",
        ["onnxruntime", "torch", "onnx"],
        lacks=CACHE,
    ),
    Rust("candle", MODELS, WRITTEN),
    Rust("burn", MODELS, WRITTEN),
    Rust("tract", {"predict"}, WRITTEN),
]


class Setup:
    """Where everything lies, and how many threads it may use."""

    def __init__(self, options):
        cache = options.cache
        self.cache = cache
        self.venv = options.venv or cache / "venv"
        self.target = options.target_dir or cache / "target"
        self.peers_target = options.peers_target_dir or cache / "rust-peers"
        self.jobs = options.jobs
        self.log = cache / "log"
        self.log.mkdir(parents=True, exist_ok=True)
        allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.threads = options.threads or len(allowed) or os.cpu_count() or 1
        self.cores = set(allowed[: self.threads])
        self.failed_packages = {}

    def python(self):
        return self.venv / "bin" / "python"

    def pins(self):
        lines = (HERE / "requirements.txt").read_text().splitlines()
        lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return {line.split("==")[0]: line for line in lines}

    def install_packages(self, packages):
        """Installs the pinned packages that are not there yet; one that has failed once is not tried again."""
        if not self.python().exists():
            try:
                run([sys.executable, "-m", "venv", self.venv])
            except Failed as error:
                raise Unavailable(f"no virtual environment: {error}") from None
        pins = self.pins()
        present = run([self.python(), "-m", "pip", "--disable-pip-version-check", "freeze"])
        present = present.lower().replace("_", "-").split()
        for package in packages:
            if package in self.failed_packages:
                raise Unavailable(self.failed_packages[package])
            if pins[package] in present:
                continue
            say(f"installing {pins[package]}")
            pip = [self.python(), "-m", "pip", "--disable-pip-version-check", "install"]
            try:
                run([*pip, "-c", HERE / "requirements.txt", pins[package]])
            except Failed as error:
                self.failed_packages[package] = f"{pins[package]} cannot be installed: {error}"
                raise Unavailable(self.failed_packages[package]) from None

    def export(self, folder):
        """Writes the ONNX file of a model."""
        self.install_packages(["torch", "onnx", "numpy"])
        run([self.python(), HERE / "workers" / "onnx_export.py", folder])

    def cargo_build(self, what, target):
        jobs = ["--jobs", self.jobs] if self.jobs else []
        environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
        try:
            run(["cargo", "build", "--release", "--locked", *jobs, *what], environment)
        except Failed as error:
            raise Unavailable(f"it does not build: {error}") from None


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, environment=None):
    """What a command prints; its last line of complaint if it fails."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except OSError as error:
        raise Failed(str(error)) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")]
        raise Failed((errors or lines or [f"exit code {done.returncode}"])[0][:300])
    return done.stdout


def binary_size(path):
    """The size of a binary without symbols, or as it is where there is no `strip`."""
    if not shutil.which("strip"):
        return path.stat().st_size, "binary, with symbols"
    stripped = path.with_name(path.name + ".stripped")
    run(["strip", "-o", stripped, path])
    size = stripped.stat().st_size
    stripped.unlink()
    return size, "binary"


class Worker:
    """A running worker. It computes only while it is asked something."""

    def __init__(self, peer, setup):
        self.peer = peer
        threads = str(setup.threads)
        # Libraries that do not take their number of threads as an argument read it here. How long OpenMP's threads spin is left as
        # it is: `settle` waits until they sleep.
        environment = dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"), threads
        )
        self.started = time.perf_counter()
        self.log = setup.log / f"{peer.name}.log"
        with self.log.open("ab") as log:
            try:
                self.process = subprocess.Popen(
                    [str(part) for part in peer.command(setup)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=os.environ | environment | peer.environment(),
                    preexec_fn=lambda: pin(setup.cores),
                )
            except OSError as error:
                raise Failed(str(error)) from None
        self.rest = b""

    def ask(self, timeout=600.0, **command):
        """The answer to a command."""
        try:
            self.process.stdin.write(json.dumps(command).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise Failed(self.last_words()) from None
        end = time.monotonic() + timeout
        out = self.process.stdout.fileno()
        while b"\n" not in self.rest:
            if not select.select([out], [], [], max(0.0, end - time.monotonic()))[0]:
                self.end()
                raise Failed(f"no answer within {timeout:.0f} s")
            read = os.read(out, 1 << 16)
            if not read:
                raise Failed(self.last_words())
            self.rest += read
        line, _, self.rest = self.rest.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def last_words(self):
        self.process.wait()
        lines = self.log.read_text(errors="replace").splitlines()
        return f"it ended with code {self.process.returncode}: {lines[-1] if lines else ''}"[:300]

    def alive(self):
        return self.process.poll() is None

    def settle(self):
        """Waits until its threads sleep; an error after five seconds of computing unasked."""
        end = time.monotonic() + 5.0
        before = self.busy()
        while before is not None:
            time.sleep(0.004)
            now = self.busy()
            if now is None or now - before < 200_000:
                return
            if time.monotonic() > end:
                raise Failed("its threads go on computing when nothing is asked")
            before = now

    def busy(self):
        """Nanoseconds for which its threads have run; `None` where the system does not tell."""
        try:
            tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
            return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
        except (OSError, ValueError, IndexError):
            return None

    def peak_memory(self):
        """The most bytes that it has had in memory; `None` where the system does not tell."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            return 1024 * int(status.split("VmHWM:")[1].split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def end(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass  # It has ended by itself, and did not read its last command.
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Spinner:
    """A process that keeps a core busy, one of those that the workers may use."""

    def __init__(self, setup):
        self.setup = setup

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "while True: pass"], preexec_fn=lambda: pin(self.setup.cores)
        )
        time.sleep(0.2)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def core_seconds():
    """Seconds for which the cores of this machine have computed, all together; `None` where the system does not tell."""
    try:
        user, nice, system, _, _, irq, softirq, steal = Path("/proc/stat").read_text().split()[1:9]
        ticks = sum(map(int, (user, nice, system, irq, softirq, steal)))
        return ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def pin(cores):
    if cores:
        os.sched_setaffinity(0, cores)
