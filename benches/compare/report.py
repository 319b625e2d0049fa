"""The tables of a comparison, as Markdown."""

import math

TITLES = {
    "train": "Training steps",
    "predict": "Predictions",
    "scan": "Loops",
    "matmul": "Matrix products",
    "conv": "Single convolutions and their gradients",
}


def milliseconds(seconds):
    if seconds is None:
        return ""
    return f"{1e3 * seconds:.3f}" if seconds < 0.1 else f"{1e3 * seconds:.1f}"


def optional(value, form):
    return "" if value is None else form.format(value)


def table(head, rows):
    rows = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def markdown(result):
    lines = ["# Brolga beside others", ""]
    machine = result["machine"]
    lines += [
        f"{result['date']}, {machine['processor']}, {result['threads']} threads, "
        f"{machine['memory'] / 2**30:.0f} GiB, {machine['system']}; Brolga at {result['revision']}.",
        "",
        f"Medians (minima) of {result['rounds']} rounds, each of the two in turns. "
        "A ratio above 1 means that Brolga is faster.",
    ]
    if result["noise"]:
        lines += ["", f"**Not to be quoted**: {', '.join(result['noise'])}."]
    for section, title in TITLES.items():
        cases = [case for case in result["cases"] if case["section"] == section]
        if cases:
            lines += ["", f"## {title}", "", *section_table(cases), *means(cases)]
    lines += best(result["cases"])
    if result["busy"]:
        fair = (result["threads"] + 1) / result["threads"]
        lines += ["", "## Beside a process that keeps a core busy", ""]
        lines += [f"How many times as long a step takes as alone. With time shared fairly it is {fair:.2f}.", ""]
        lines += table(["case", "peer", "alone ms", "beside ms", "times"], map(busy_row, result["busy"]))
    if result["cold"]:
        lines += ["", "## A cold process: the first model, training, batch 32", ""]
        lines += [
            "Start: from the start of the process to the end of its first step, the data being in a file. Build: of it, from the "
            "layers to the end of the first step. Compile: of it, what a compiler takes, where that can be told.",
            "",
        ]
        head = ["", "start ms", "build ms", "compile ms", "peak memory MB", "size MB", "of what"]
        lines += table(head, map(cold_row, result["cold"]))
    if result["build"]:
        lines += ["", "## Building Brolga", ""]
        lines += table(["", "s"], [[b["what"], b.get("error") or f"{b['seconds']:.1f}"] for b in result["build"]])
    lines += ["", "## Versions", ""]
    versions = sorted(result["versions"].items())
    lines += table(["", "version"], versions)
    if result["unavailable"]:
        lines += ["", "## Not compared", ""]
        lines += table(["peer", "why"], sorted(result["unavailable"].items()))
    return "\n".join(lines) + "\n"


def section_table(cases):
    head = ["case", "peer", "Brolga ms", "peer ms", "ratio", "share of the limit", "largest difference"]
    rows = []
    for case in cases:
        if "error" in case:
            rows.append([case["name"], "", f"**error: {case['error']}**", "", "", "", ""])
        for peer in case["peers"]:
            if "error" in peer:
                rows.append([case["name"], peer["peer"], "", f"**error: {peer['error']}**", "", "", ""])
                continue
            rows.append(
                [
                    case["name"],
                    peer["peer"],
                    both(peer["ours"]),
                    both(peer["theirs"]),
                    f"{peer['ratio']:.2f}",
                    optional(peer["share"], "{:.1%}"),
                    f"{peer['difference']:.1e}",
                ]
            )
        if not case["peers"] and "alone" in case:
            alone = case["alone"]
            share = optional(alone["share"], "{:.1%}")
            rows.append([case["name"], "", both(alone["ours"]), "", "", share, ""])
    return table(head, rows)


def both(times):
    return f"{milliseconds(times['median'])} ({milliseconds(times['minimum'])})"


def ratios(cases):
    """For each peer the ratios of the cases, with their names."""
    found = {}
    for case in cases:
        for peer in case["peers"]:
            if "ratio" in peer:
                found.setdefault(peer["peer"], []).append((peer["ratio"], case["name"]))
    return found


def means(cases):
    lines = []
    for peer, found in ratios(cases).items():
        if len(found) > 1:
            mean = math.exp(sum(math.log(ratio) for ratio, _ in found) / len(found))
            least, where = min(found)
            text = f"Against {peer}: geometric mean {mean:.2f} over {len(found)} cases, least {least:.2f} ({where})."
            lines += ["", text]
    return lines


def best(cases):
    """The fastest peer of each case that has several."""
    rows = []
    for case in cases:
        peers = [peer for peer in case["peers"] if "ratio" in peer]
        if len(peers) > 1:
            first = min(peers, key=lambda peer: peer["ratio"])
            rows.append([case["name"], first["peer"], f"{first['ratio']:.2f}"])
    if not rows:
        return []
    return ["", "## The fastest peer", "", *table(["case", "peer", "ratio"], rows)]


def busy_row(busy):
    if "error" in busy:
        return [busy["case"], busy["peer"], f"**error: {busy['error']}**", "", ""]
    return [busy["case"], busy["peer"], both(busy["alone"]), both(busy["beside"]), f"{busy['ratio']:.2f}"]


def cold_row(cold):
    if "error" in cold:
        return [cold["peer"], f"**error: {cold['error']}**", "", "", "", "", ""]
    memory = optional(cold["peak_memory"] and cold["peak_memory"] / 1e6, "{:.0f}")
    start, build = milliseconds(cold["start"]), milliseconds(cold["prepare"])
    size = optional(cold["size"] and cold["size"] / 1e6, "{:.1f}")
    return [cold["peer"], start, build, milliseconds(cold["compile"]), memory, size, cold["size_of"]]
