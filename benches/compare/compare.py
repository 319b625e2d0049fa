#!/usr/bin/env python3
"""Compares Brolga with other libraries on this machine, and writes a table. README.md tells how to run it and how to read it."""

import argparse
import datetime
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report
from cases import all_cases, beside_another
from processes import OURS, PEERS, ROOT, Failed, Setup, Spinner, Unavailable, Worker
from processes import core_seconds, run, say

AGREEMENT = 1e-4
"""How far losses and results may differ: relative to the loss, or to the largest element of a result."""


def arguments():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brolga-compare"
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--peers", type=words, default=names, help=f"of {','.join(names)}; `none` for Brolga alone")
    add("--only", type=words, default=[], help="cases whose names contain one of these, or busy, cold, build")
    add("--rounds", type=int, help="at least 7 for figures that are quoted; 7, with --quick 3")
    add("--quick", action="store_true", help="shorter warm-up and rounds, every eighth convolution, no build")
    add("--threads", type=int, help="for everybody; all cores by default")
    add("--out", type=Path, help="folder of compare.md and compare.json; by default in the cache")
    add("--cache", type=Path, default=cache, help="folder of everything that is installed and built")
    add("--venv", type=Path, help="the virtual environment; by default in the cache")
    add("--target-dir", type=Path, help="where Brolga is built; by default in the cache")
    add("--peers-target-dir", type=Path, help="where the peers in Rust are built; by default in the cache")
    add("--jobs", type=int, help="of cargo")
    options = parser.parse_args()
    unknown = set(options.peers) - set(names) - {"none"}
    if unknown:
        parser.error(f"there is no peer {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    options.rounds = options.rounds or (3 if options.quick else 7)
    for name in ("cache", "venv", "target_dir", "peers_target_dir", "out"):
        path = getattr(options, name)
        setattr(options, name, path and path.absolute())
    options.out = options.out or options.cache / "result"
    return options


def words(text):
    return [word for word in text.split(",") if word]


class Comparison:
    def __init__(self, options):
        self.options = options
        self.setup = Setup(options)
        self.warm_up, self.slot, self.warm = (0.5, 0.1, 0.02) if options.quick else (2.0, 0.3, 0.05)
        self.workers = {}
        # Whether a peer reads ONNX files.
        self.onnx = False
        # Seconds of cores which others have used while something was measured, and which there were.
        self.others = [0.0, 0.0]
        self.result = {
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "machine": machine(),
            "revision": revision(),
            "threads": self.setup.threads,
            "rounds": options.rounds,
            "quick": options.quick,
            "noise": [],
            "versions": {"python": platform.python_version()},
            "unavailable": {},
            "cases": [],
            "busy": [],
            "cold": [],
            "build": [],
        }

    def run(self):
        """Whether nobody disagreed and nothing failed."""
        say("building Brolga")
        try:
            OURS.install(self.setup)
        except Unavailable as error:
            raise SystemExit(f"error: Brolga's own worker: {error}") from None
        wanted = [peer for peer in PEERS if peer.name in self.options.peers]
        cases = self.cases()
        busy = beside_another() if self.selected("busy") else []
        cold = self.selected("cold")
        needed = lambda peer: any(map(peer.can, cases + busy)) or (cold and "train" in peer.runs)
        peers = [peer for peer in wanted if needed(peer) and self.available(peer)]
        self.onnx = any(peer.name in ("onnxruntime", "tract") for peer in peers)
        if self.worker(OURS) is None:
            raise SystemExit(f"error: Brolga's own worker: {self.result['unavailable'][OURS.name]}")
        for number, case in enumerate(cases, 1):
            say(f"[{number}/{len(cases)}] {case.name}")
            self.result["cases"].append(self.compare(case, peers))
            self.write()
        for case in busy:
            say(f"{case.name} beside a busy process")
            for peer in [OURS, *peers]:
                if peer.can(case):
                    self.result["busy"].append(self.beside(case, peer))
                    self.write()
        self.end_workers()
        if self.selected("cold"):
            for peer in [OURS, *peers]:
                if "train" in peer.runs:
                    say(f"cold start of {peer.name}")
                    self.result["cold"].append(self.cold(peer))
                    self.write()
        if self.selected("build") and not self.options.quick:
            self.result["build"] = self.build()
        self.write()
        entries = [entry for case in self.result["cases"] for entry in [case, *case["peers"]]]
        entries += self.result["busy"] + self.result["cold"] + self.result["build"]
        return not any("error" in entry for entry in entries)

    def cases(self):
        cases = [case for case in all_cases() if self.selected(case.name)]
        if self.options.quick:
            convolutions = [case for case in cases if case.section == "conv"]
            cases = [case for case in cases if case.section != "conv"] + convolutions[::8]
        return cases

    def selected(self, name):
        return not self.options.only or any(word in name for word in self.options.only)

    def available(self, peer):
        """Whether a peer is installed and says hello."""
        say(f"preparing {peer.name}")
        try:
            peer.install(self.setup)
        except (Unavailable, Failed) as error:
            self.result["unavailable"][peer.name] = str(error)
            say(f"  not compared: {error}")
            return False
        return self.worker(peer) is not None

    def worker(self, peer):
        """The running worker of a peer, started again where it has ended; `None` if it cannot be started."""
        worker = self.workers.get(peer.name)
        if worker is not None and worker.alive():
            return worker
        try:
            worker = Worker(peer, self.setup)
            self.result["versions"] |= worker.ask(run="hello")["versions"]
        except Failed as error:
            self.result["unavailable"][peer.name] = str(error)
            say(f"  {peer.name} does not start: {error}")
            return None
        self.workers[peer.name] = worker
        return worker

    def end_workers(self):
        for worker in self.workers.values():
            worker.end()
        self.workers.clear()

    def ask(self, peer, **command):
        """The answer of a peer, after which it is idle again."""
        worker = self.worker(peer)
        if worker is None:
            raise Failed("its worker does not start")
        answer = worker.ask(**command)
        worker.settle()
        return answer

    def forget(self, peer):
        try:
            self.ask(peer, run="forget")
        except Failed:
            pass

    def compare(self, case, peers):
        peers = [peer for peer in peers if peer.can(case)]
        entry = {"section": case.section, "name": case.name, "peers": []}
        try:
            command = self.with_folder(case)
            expected = self.values(OURS, case, command)
            limit = self.limit(case)
            self.warm_up_of(OURS, command)
            alive = []
            for peer in peers:
                row = {"peer": peer.name}
                entry["peers"].append(row)
                try:
                    row["difference"] = difference(expected, self.values(peer, case, command))
                    row |= self.warm_up_of(peer, command)
                    row |= {"ours": [], "theirs": []}
                    alive.append((peer, row))
                except Failed as error:
                    row["error"] = str(error)
                    say(f"  {peer.name}: {error}")
            self.rounds(command, alive, entry)
            for row in [row for _, row in alive] or [entry["alone"]]:
                summarize(row, limit)
        except Failed as error:
            entry["error"] = str(error)
            say(f"  Brolga: {error}")
        for peer in [OURS, *peers]:
            self.forget(peer)
        return entry

    def with_folder(self, case):
        """The case's command, with the folder of first weights and a batch, if it has a model."""
        command = dict(case.command)
        if "model" in command:
            command["folder"] = str(self.folder(command["model"], command["batch"]))
            if self.onnx and command["run"] == "predict" and command["model"] != "generation":
                self.setup.export(command["folder"])
        return command

    def folder(self, model, batch):
        folder = self.setup.cache / "data" / f"{model}-{batch}"
        self.ask(OURS, run="write", model=model, batch=batch, folder=str(folder))
        return folder

    def values(self, peer, case, command):
        # Keras's Adam adds its epsilon to another root than PyTorch's: where it counts for nothing, both are the same.
        values = {"values": True, "dropout": False, "epsilon": 1e-12, "steps": case.checked}
        return self.ask(peer, **command | values)["values"]

    def warm_up_of(self, peer, command):
        """Runs a case for a while, and how long it took to make it ready."""
        answer = self.ask(peer, **command, steps=0)
        self.ask(peer, **command, seconds=self.warm_up)
        return {"prepare": answer.get("prepare"), "compile": answer.get("compile")}

    def rounds(self, command, alive, entry):
        """Measures ours, peer, ours, peer: each peer is compared with what Brolga took right before it."""
        steps = {OURS.name: self.steps(OURS, command)}
        for peer, _ in alive:
            steps[peer.name] = self.steps(peer, command)
        measure = lambda peer: self.measure(peer, command, steps[peer.name])
        for _ in range(self.options.rounds):
            if not alive:
                entry.setdefault("alone", {"ours": []})["ours"].append(measure(OURS))
            for peer, row in alive:
                if "error" in row:
                    continue
                ours = measure(OURS)
                try:
                    row["theirs"].append(measure(peer))
                    row["ours"].append(ours)
                except Failed as error:
                    row["error"] = str(error)

    def steps(self, peer, command):
        """As many steps as fit into a slot."""
        answer = self.ask(peer, **command, seconds=self.slot)
        return max(1, math.ceil(self.slot / (answer["seconds"] / answer["steps"])))

    def measure(self, peer, command, steps):
        """Seconds of a step. Notes what others have computed meanwhile."""
        worker, start = self.worker(peer), time.perf_counter()
        before, own = core_seconds(), worker and worker.busy()
        answer = self.ask(peer, **command, steps=steps, warm=self.warm)
        after, then = core_seconds(), self.workers[peer.name].busy()
        if None not in (before, own, after, then):
            self.others[0] += max(0.0, after - before - (then - own) / 1e9)
            self.others[1] += (time.perf_counter() - start) * (os.cpu_count() or 1)
        return answer["seconds"] / answer["steps"]

    def beside(self, case, peer):
        """A step alone, and while another process keeps a core busy, in turns."""
        row = {"case": case.name, "peer": peer.name}
        alone, beside = [], []
        try:
            command = self.with_folder(case)
            self.warm_up_of(peer, command)
            steps = self.steps(peer, command)
            for _ in range(self.options.rounds):
                alone.append(self.seconds(peer, command, steps))
                with Spinner(self.setup):
                    beside.append(self.seconds(peer, command, steps))
        except Failed as error:
            say(f"  {peer.name}: {error}")
            return row | {"error": str(error)}
        finally:
            self.forget(peer)
        ratio = statistics.median(b / a for a, b in zip(alone, beside))
        return row | {"alone": times(alone), "beside": times(beside), "ratio": ratio}

    def seconds(self, peer, command, steps):
        """Seconds of a step, of as many as are long beside the time slices of the system."""
        answer = self.ask(peer, **command, steps=4 * steps, warm=self.warm)
        return answer["seconds"] / answer["steps"]

    def limit(self, case):
        """Operations of a step, and how many the machine can do in a second; `None` where it is not known."""
        model = case.command.get("model", "mnist_cnn")
        if case.section == "predict":
            return None
        batch = case.command["batch"] if "model" in case.command else 32
        answer = self.ask(OURS, run="limit", model=model, batch=batch, rounds=3)
        return case.flops or answer["flops"], answer["limit"]

    def cold(self, peer):
        """The first step of new processes, then some more for the most memory that it takes."""
        folder = str(self.setup.cache / "data" / "mnist_cnn-32")
        command = {"run": "train", "model": "mnist_cnn", "batch": 32, "folder": folder}
        starts = []
        try:
            self.folder("mnist_cnn", 32)
            self.end_workers()
            for _ in range(1 if self.options.quick else 5):
                worker = Worker(peer, self.setup)
                try:
                    answer = worker.ask(**command, steps=0)
                    start = time.perf_counter() - worker.started
                    worker.ask(**command, steps=20)
                    starts.append((start, answer["prepare"], answer.get("compile"), worker.peak_memory()))
                finally:
                    worker.end()
            size, size_of = peer.size(self.setup)
        except Failed as error:
            return {"peer": peer.name, "error": str(error)}
        start, prepare, compile, memory = sorted(starts)[len(starts) // 2]
        return {
            "peer": peer.name,
            "start": start,
            "prepare": prepare,
            "compile": compile,
            "peak_memory": memory,
            "size": size,
            "size_of": size_of,
        }

    def build(self):
        """How long a clean build takes, and one after a layer has changed."""
        target = self.setup.cache / "clean-target"
        shutil.rmtree(target, ignore_errors=True)
        jobs = ["--jobs", str(self.setup.jobs)] if self.setup.jobs else []
        manifest = ROOT / "Cargo.toml"
        build = ["cargo", "build", "--release", "--locked", "--example", "mnist_cnn", *jobs]
        environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
        built = []
        for what in ("clean release build of the first model", "the same after a layer was touched"):
            say(f"build: {what}")
            if built:
                (ROOT / "crates" / "brolga-nn" / "src" / "layers" / "dense.rs").touch()
            start = time.perf_counter()
            try:
                run([*build, "--manifest-path", manifest], environment)
                built.append({"what": what, "seconds": time.perf_counter() - start})
            except Failed as error:
                built.append({"what": what, "error": str(error)})
                break
        shutil.rmtree(target, ignore_errors=True)
        return built

    def noise(self):
        """What speaks against quoting the figures."""
        reasons = []
        if self.options.quick:
            reasons.append("a quick run")
        if self.options.rounds < 7:
            reasons.append(f"only {self.options.rounds} rounds")
        used, there = self.others
        if there and used / there > 0.03:
            share = f"{used / there:.0%}"
            reasons.append(f"others used {share} of the cores' time while something was measured")
        return reasons

    def write(self):
        self.result["noise"] = self.noise()
        self.options.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.result, indent=1) + "\n"
        (self.options.out / "compare.json").write_text(text)
        (self.options.out / "compare.md").write_text(report.markdown(self.result))


def difference(ours, theirs):
    """The largest difference relative to the largest number; an error if it is too large or nothing can be compared."""
    if len(ours) != len(theirs):
        raise Failed(f"disagrees: {len(theirs)} values instead of {len(ours)}")
    if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in [*ours, *theirs]):
        raise Failed("disagrees: a value is not finite")
    scale = max(abs(value) for value in ours) or 1.0
    found, place = max((abs(a - b) / scale, i) for i, (a, b) in enumerate(zip(ours, theirs)))
    if found > AGREEMENT:
        text = f"disagrees: value {place} is {theirs[place]:.7g}, Brolga's is {ours[place]:.7g}"
        raise Failed(text)
    return found


def summarize(row, limit):
    """Replaces a row's seconds by their medians and minima, and adds the ratios."""
    if "error" in row:
        return
    ours, theirs = row["ours"], row.get("theirs")
    row["ours"] = times(ours)
    row["share"] = limit and limit[0] / row["ours"]["median"] / limit[1]
    row["limit"] = limit and limit[1]
    if theirs is not None:
        row["theirs"] = times(theirs)
        row["ratio"] = statistics.median(b / a for a, b in zip(ours, theirs))
        row["ratio_of_minima"] = min(theirs) / min(ours)


def times(seconds):
    return {"median": statistics.median(seconds), "minimum": min(seconds), "rounds": seconds}


def machine():
    processor, memory = platform.processor() or platform.machine(), 0
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.split(":")[1].strip()
                break
        memory = 1024 * int(Path("/proc/meminfo").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        pass
    flags = [flag for flag in ("avx2", "avx512f") if flag in cpu_flags()]
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory": memory,
        "system": f"{platform.system()} {platform.machine()}",
        "vectors": flags,
        "isa": os.environ.get("BROLGA_ISA"),
    }


def cpu_flags():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    lines = [line for line in text.splitlines() if line.startswith("flags")]
    return lines[0].split() if lines else []


def revision():
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "an unknown revision"
    return done.stdout.strip()


def main():
    options = arguments()
    comparison = Comparison(options)
    try:
        right = comparison.run()
    finally:
        comparison.end_workers()
    print((options.out / "compare.md").read_text())
    say(f"written to {options.out}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
