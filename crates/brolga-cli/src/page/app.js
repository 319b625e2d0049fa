"use strict";
// The page of `brolga view`. The data is gzip in base64 in the element `data`; docs/inspect.md has
// its format. Nodes are laid out by dagre, level by level: a group is one box in the level above it.

const $ = id => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const svg = ["svg", "g", "rect", "text", "path", "title", "line", "defs", "marker"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") element.textContent = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  for (const child of children) if (child) element.append(child);
  return element;
};
const bytes = n => n < 1024 ? n + " B" : n < 1 << 20 ? (n / 1024).toFixed(1) + " KiB" : n < 2 ** 30 ? (n / 2 ** 20).toFixed(1) + " MiB" : (n / 2 ** 30).toFixed(2) + " GiB";
const short = x => x === null || x === undefined ? "-" : Number.isInteger(x) && Math.abs(x) < 1e6 ? String(x) : Number(x).toPrecision(4);

let data, graph, picked = null, stage = 0, panes = {};

// The most boxes of a group that are laid out together; more are cut into sections.
const MOST = 60;
const ROLES = ["forward", "backward", "update"];

// A stage of the graph as a tree of groups, by role and then by layer. Kernels are groups too.
class Tree {
  constructor(graph, stage) {
    this.root = { key: "", title: "", children: [], parent: null, groups: new Map() };
    this.leaves = new Map();   // identity -> leaf
    this.edges = [];           // [from leaf, to leaf]
    this.stage = stage;
    const column = { inputs: null };
    const group = (parent, title, kind, key) => {
      let found = parent.groups.get(title);
      if (!found) {
        found = { key: parent.key + "/" + (key ?? title), title, kind, children: [], parent, groups: new Map(), open: false };
        parent.groups.set(title, found);
        parent.children.push(found);
      }
      return found;
    };
    const leaf = (parent, record, id) => {
      const node = { key: parent.key + "#" + id, id, record, parent, leaf: true };
      parent.children.push(node);
      this.leaves.set(id, node);
      return node;
    };
    const states = stage.inputs.filter(index => graph.records[index].op === "state");
    const values = stage.inputs.filter(index => graph.records[index].op !== "state");
    for (const index of values) leaf(group(this.root, "forward", "forward"), graph.records[index], graph.records[index].id);
    const roleOf = record => ROLES.includes(record.role) ? record.role : "forward";
    const parentOf = (record, role) => {
      let parent = group(this.root, role, role);
      for (const part of (record.layer || "").split("/")) if (part) parent = group(parent, part, role);
      return parent;
    };
    // States are where their first reader of the forward direction is: with their layer.
    for (const index of states) {
      const record = graph.records[index];
      leaf(parentOf(record, record.layer ? "forward" : "update"), record, record.id);
    }
    const bodies = (parent, record, path) => {
      const inner = record.body.map(index => graph.records[index]);
      for (const each of inner) {
        const id = path + each.id;
        const node = leaf(parent, each, id);
        for (const [source] of each.operands) {
          const slot = record.body_inputs.indexOf(source);
          const from = slot >= 0 ? record.operands[slot] && record.operands[slot][0] : path + source;
          this.edges.push([from, node]);
        }
      }
    };
    this.holder = new Map();   // identity of a kernel -> its group
    for (const index of stage.nodes) {
      const record = graph.records[index];
      const role = roleOf(record), parent = parentOf(record, role);
      if (record.body && record.op === "kernel") {
        const kernel = group(parent, record.name + " " + record.id, role, record.id);
        kernel.kernel = record;
        kernel.title = record.name;
        this.holder.set(record.id, kernel);
        bodies(kernel, record, "");
      } else {
        const node = leaf(parent, record, record.id);
        for (const [source] of record.operands) this.edges.push([source, node]);
      }
    }
    // The result of a kernel is the one of the node in it that computes it.
    for (const edge of this.edges) edge[0] = this.leaves.get(edge[0]) || this.holder.get(edge[0]);
    this.edges = this.edges.filter(([from, to]) => from && to && from !== to);
    this.order = new Map();
    let next = 0;
    for (const node of this.leaves.values()) this.order.set(node, next++);
    this.root.children.sort((a, b) => ROLES.indexOf(a.kind) - ROLES.indexOf(b.kind));
    this.prune(this.root);
    this.all = [];
    const visit = node => { if (!node.leaf) { this.all.push(node); node.children.forEach(visit); } };
    visit(this.root);
    this.root.open = true;
    for (const child of this.root.children) child.open = true;
  }
  // Groups of one box are that box; large ones are cut into sections in the order of the step.
  prune(group) {
    group.children.forEach(child => child.leaf || this.prune(child));
    group.children = group.children.map(child => {
      if (!child.leaf && child.children.length === 1 && group.parent && !child.kernel) {
        const only = child.children[0];
        only.parent = group;
        if (!only.leaf) only.title = child.title + "/" + only.title;
        return only;
      }
      return child;
    });
    while (group.children.length > MOST) {
      const sections = [];
      for (let start = 0; start < group.children.length; start += MOST) {
        const children = group.children.slice(start, start + MOST);
        const title = "boxes " + (start + 1) + "–" + (start + children.length);
        const section = { key: group.key + "/" + title, title, kind: group.kind, children, parent: group, groups: new Map(), open: false };
        children.forEach(child => child.parent = section);
        sections.push(section);
      }
      group.children = sections;
    }
  }
  count(group) {
    return group.leaf ? 1 : group.total ??= group.children.reduce((sum, child) => sum + this.count(child), 0);
  }
  path(node) {
    const path = [];
    for (let at = node; at; at = at.parent) path.unshift(at);
    return path;
  }
  // The outermost closed group around a node, or the node.
  visible(node) {
    return this.path(node).find(each => !each.leaf && !each.open) || node;
  }
  find(id) { return this.leaves.get(id) || this.holder.get(id); }
}

// Places the boxes of all open groups, from the inside out.
function layout(tree) {
  const levels = new Map();   // group -> Map of "from key|to key" -> edge
  for (const [from, to] of tree.edges) {
    const a = tree.path(tree.visible(from)), b = tree.path(tree.visible(to));
    let depth = 0;
    while (depth < a.length - 1 && depth < b.length - 1 && a[depth + 1] === b[depth + 1]) depth++;
    const level = a[depth], source = a[depth + 1], target = b[depth + 1];
    if (!source || !target || source === target) continue;
    if (!levels.has(level)) levels.set(level, new Map());
    levels.get(level).set(source.key + "|" + target.key, { source, target });
  }
  const place = (group, depth) => {
    for (const child of group.children) {
      if (child.leaf || !child.open) {
        const title = label(child, tree)[0];
        child.w = Math.min(220, Math.max(70, 7 * title.length + 16));
        child.h = 34;
      } else place(child, depth + 1);
    }
    if (group === tree.root) {
      // Forward beside backward, each as its own column.
      let x = 0;
      for (const child of group.children) { child.x = x; child.y = 0; x += child.w + 60; }
      group.w = x; group.h = Math.max(0, ...group.children.map(child => child.h));
      group.routes = [];
      return;
    }
    const edges = [...(levels.get(group) || new Map()).values()];
    const g = new dagre.graphlib.Graph();
    const backward = group.kind === "backward" && group.parent === tree.root;
    g.setGraph({ rankdir: backward ? "BT" : "TB", nodesep: 14, edgesep: 6, ranksep: 22, ranker: group.children.length > 30 ? "longest-path" : "network-simplex" });
    g.setDefaultEdgeLabel(() => ({}));
    group.children.forEach(child => g.setNode(child.key, { width: child.w, height: child.h }));
    edges.forEach(edge => g.setEdge(edge.source.key, edge.target.key));
    dagre.layout(g);
    const pad = 10, head = 24;
    for (const child of group.children) {
      const at = g.node(child.key);
      child.x = at.x - at.width / 2 + pad;
      child.y = at.y - at.height / 2 + head;
    }
    group.routes = edges.map(edge => g.edge(edge.source.key, edge.target.key).points.map(p => [p.x + pad, p.y + head]));
    const size = g.graph();
    group.w = Math.max((size.width || 0) + 2 * pad, 8 * group.title.length + 40);
    group.h = (size.height || 0) + head + pad;
  };
  place(tree.root, 0);
}

function label(node, tree) {
  if (node.leaf) {
    const record = node.record;
    const title = record.op === "state" || record.op === "input" ? "%" + record.name : record.name || record.op;
    return [title, record.types[0] || ""];
  }
  const kernel = node.kernel;
  return kernel ? [node.title, (kernel.layer ? kernel.layer + ", " : "") + "kernel of " + node.children.length] : [node.title, tree.count(node) + " nodes"];
}

class Pane {
  constructor(host, stageIndex) {
    this.svg = make("svg");
    this.name = make("div", { class: "name" });
    host.replaceChildren(this.svg, this.name);
    this.view = null;
    this.marks = new Map();
    this.show(stageIndex);
    this.svg.addEventListener("wheel", event => {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY * 0.0015), event.clientX, event.clientY);
    }, { passive: false });
    this.svg.addEventListener("pointerdown", event => {
      if (event.target.closest(".node")) return;
      const start = [event.clientX, event.clientY], view = { ...this.view }, scale = this.scale();
      const move = event => {
        this.view.x = view.x - (event.clientX - start[0]) * scale;
        this.view.y = view.y - (event.clientY - start[1]) * scale;
        this.apply();
      };
      const end = () => { removeEventListener("pointermove", move); removeEventListener("pointerup", end); };
      addEventListener("pointermove", move);
      addEventListener("pointerup", end);
    });
  }
  scale() { return this.view.w / (this.svg.clientWidth || 1); }
  zoom(factor, cx, cy) {
    const box = this.svg.getBoundingClientRect();
    const px = (cx - box.left) / box.width, py = (cy - box.top) / box.height;
    const w = Math.min(Math.max(this.view.w * factor, 40), 2e6), h = this.view.h * w / this.view.w;
    this.view = { x: this.view.x + (this.view.w - w) * px, y: this.view.y + (this.view.h - h) * py, w, h };
    this.apply();
  }
  apply() {
    // Before and after of a pass move together.
    if (this.twin && this.twin.view && !this.leads) {
      this.twin.leads = true;
      this.twin.view = { ...this.view };
      this.twin.apply();
      this.twin.leads = false;
    }
    const { x, y, w, h } = this.view;
    this.svg.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
    this.svg.classList.toggle("far", this.scale() > 2.6);
  }
  show(stageIndex) {
    const old = this.tree;
    this.index = stageIndex;
    this.tree = new Tree(graph, graph.stages[stageIndex]);
    if (old) {
      const open = new Set(old.all.filter(group => group.open).map(group => group.key));
      const known = new Set(old.all.map(group => group.key));
      this.tree.all.forEach(group => { if (known.has(group.key)) group.open = open.has(group.key); });
    }
    this.name.textContent = graph.stages[stageIndex].name + " · " + graph.stages[stageIndex].nodes.length + " nodes";
    this.render();
    if (!this.view) this.fit();
  }
  fit() {
    const root = this.tree.root, ratio = (this.svg.clientHeight || 600) / (this.svg.clientWidth || 800);
    // A graph that is much longer than the window is shown from its start.
    const whole = Math.max(root.w + 40, (root.h + 60) / ratio, 300);
    const w = Math.min(whole, Math.max(root.w + 40, 4 * (this.svg.clientWidth || 800)));
    this.view = { x: (root.w - w) / 2, y: -40, w, h: w * ratio };
    this.apply();
  }
  render() {
    layout(this.tree);
    const canvas = make("g");
    const draw = (node, parent, x, y) => {
      node.ax = x + node.x; node.ay = y + node.y;
      const closed = node.leaf || !node.open;
      const record = node.leaf ? node.record : node.kernel;
      const kind = node.leaf && (record.op === "state" || record.op === "input") ? record.op : node.leaf ? record.role : node.kind || "plain";
      const g = make("g", { class: "node " + kind + (node.leaf ? "" : closed ? " group closed" : " group"), "data-key": node.key });
      if (record) g.setAttribute("data-id", node.leaf ? node.id : record.id);
      g.append(make("rect", { x: node.ax, y: node.ay, width: node.w, height: node.h, rx: node.leaf ? 4 : 8 }));
      const [title, under] = label(node, this.tree);
      if (closed) {
        const most = Math.floor(node.w / 6.4);
        g.append(make("text", { x: node.ax + node.w / 2, y: node.ay + 15, text: (node.leaf ? "" : "▸ ") + (title.length > most ? title.slice(0, most - 1) + "…" : title) }));
        g.append(make("text", { class: "small", x: node.ax + node.w / 2, y: node.ay + 28, text: under.length > node.w / 4.6 ? under.slice(0, node.w / 4.6 | 0) + "…" : under }));
      } else {
        g.append(make("text", { class: "title", x: node.ax + 8, y: node.ay + 16, text: "▾ " + title }));
      }
      g.append(make("title", { text: node.leaf ? record.text : title + "\n" + under }));
      g.addEventListener("click", event => {
        event.stopPropagation();
        if (node.leaf) pick(node.id);
        else { if (node.kernel) pick(node.kernel.id); this.toggle(node); }
      });
      const mark = record && this.marks.get(node.leaf ? node.id : record.id);
      if (mark) g.classList.add(mark);
      parent.append(g);
      if (!closed) {
        for (const points of node.routes) {
          const path = points.map(([px, py], i) => (i ? "L" : "M") + (node.ax + px).toFixed(1) + " " + (node.ay + py).toFixed(1)).join("");
          parent.append(make("path", { class: "edge", d: path, "marker-end": "url(#tip)" }));
        }
        node.children.forEach(child => draw(child, parent, node.ax, node.ay));
      }
      node.element = g;
    };
    this.tree.root.children.forEach(child => draw(child, canvas, 0, 0));
    this.overlay = make("g");
    canvas.append(this.overlay);
    const marker = make("marker", { id: "tip", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, make("path", { d: "M0 0L8 4L0 8z", fill: "#8a94a0" }));
    this.svg.replaceChildren(make("defs", {}, marker), canvas);
    this.highlight();
  }
  toggle(group) {
    const before = [group.ax, group.ay];
    group.open = !group.open;
    this.render();
    // What was clicked stays where it was.
    this.view.x += group.ax - before[0];
    this.view.y += group.ay - before[1];
    this.apply();
  }
  all(open) {
    this.tree.all.forEach(group => { group.open = open || group === this.tree.root || group.parent === this.tree.root; });
    this.render();
    this.fit();
  }
  reveal(id) {
    const node = this.tree.find(id);
    if (!node) return false;
    const path = this.tree.path(node);
    let changed = false;
    for (const group of path.slice(0, -1)) { changed ||= !group.open; group.open = true; }
    if (changed) this.render();
    const w = Math.min(this.view.w, 1100), h = this.view.h * w / this.view.w;
    this.view = { x: node.ax + node.w / 2 - w / 2, y: node.ay + node.h / 2 - h / 2, w, h };
    this.apply();
    this.highlight();
    return true;
  }
  highlight() {
    this.svg.querySelectorAll(".picked").forEach(each => each.classList.remove("picked"));
    this.overlay.replaceChildren();
    const node = picked && this.tree.find(picked);
    if (!node) return;
    const own = this.tree.visible(node);
    if (own.element) own.element.classList.add("picked");
    for (const [from, to] of this.tree.edges) {
      if (from !== node && to !== node) continue;
      const a = this.tree.visible(from), b = this.tree.visible(to);
      if (a === b) continue;
      const [x1, y1, x2, y2] = [a.ax + a.w / 2, a.ay + a.h / 2, b.ax + b.w / 2, b.ay + b.h / 2];
      this.overlay.append(make("path", { class: "overlay", d: `M${x1} ${y1}C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}` }));
    }
  }
}

const shownPanes = () => current === "passes" ? [panes.before, panes.after] : [panes.graph];

function pick(id) {
  picked = id;
  Object.values(panes).forEach(pane => pane && pane.highlight());
  page(id);
}

// A link to a node.
const link = id => make("a", { text: id, "data-link": id, onclick: () => go(id) });

function go(id) {
  picked = id;
  if (current !== "graph" && current !== "passes") open("graph");
  if (!shownPanes().some(pane => pane.reveal(id))) {
    const last = graph.stages.findLastIndex(each => stageHas(each, id));
    if (last >= 0 && current === "graph") { setStage(last); panes.graph.reveal(id); }
  }
  pick(id);
}

function stageHas(stage, id) {
  return [...stage.nodes, ...stage.inputs].some(index => {
    const record = graph.records[index];
    return record.id === id || (record.body || []).some(inner => graph.records[inner].id === id);
  });
}

// The record of a node at the stage that is shown, and the kernel around it.
function lookup(id) {
  const stages = [graph.stages[shownPanes()[0].index], graph.stages.at(-1), ...graph.stages];
  for (const each of stages) {
    for (const index of [...each.nodes, ...each.inputs]) {
      const record = graph.records[index];
      if (record.id === id) return { record };
      for (const inner of record.body || []) if (graph.records[inner].id === id) return { record: graph.records[inner], kernel: record };
    }
  }
  return {};
}

// The kernel that computes a node in the end.
function kernelOf(id) {
  for (const index of graph.stages.at(-1).nodes) {
    const record = graph.records[index];
    if (record.id === id && record.body) return record;
    if ((record.body || []).some(inner => graph.records[inner].id === id)) return record;
  }
  return null;
}

function page(id) {
  const host = $("page"), { record } = lookup(id);
  if (!record) { host.replaceChildren(make("p", { class: "muted", text: "This stage has no node " + id + "." })); return; }
  const rows = [];
  const row = (name, ...values) => rows.push(make("dt", { text: name }), make("dd", {}, ...values));
  row("identity", record.id);
  row("op", record.op);
  row("type", record.types.join(", "));
  if (record.layer) row("layer", record.layer);
  if (record.role) row("role", record.role);
  if (record.source) row("source", record.source);
  const spread = ids => ids.flatMap((each, i) => i ? [", ", link(each)] : [link(each)]);
  if (record.operands && record.operands.length) row("operands", ...spread(record.operands.map(([each]) => each)));
  const tree = (shownPanes().find(pane => pane.tree.find(id)) || panes.graph).tree, node = tree.find(id);
  const users = node ? [...new Set(tree.edges.filter(([from]) => from === node).map(([, to]) => to.id))] : [];
  if (users.length) row("users", ...spread(users.slice(0, 40)));
  const kernel = kernelOf(id);
  const parts = [make("h2", { text: (record.name ? record.name + " " : "") + record.op }), make("dl", {}, ...rows), make("pre", { text: record.text })];
  const values = graph.values[id];
  if (values) {
    parts.push(make("h3", { text: "values" }));
    parts.push(make("dl", {}, ...[["min", values.min], ["max", values.max], ["mean", values.mean], ["deviation", values.deviation], ["zero", values.zeros], ["NaN", values.nan], ["infinite", values.infinities ?? values.positive_infinities + values.negative_infinities]].filter(([, value]) => value !== undefined).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: short(value) })]),
      make("dt", { text: "hash" }), make("dd", { text: values.hash })));
    const bins = values.histogram || [], most = Math.max(1, ...bins);
    parts.push(make("div", { class: "histogram" }, ...bins.map(count => make("div", { title: String(count) }, make("span", { class: "bar", style: `width:${260 * count / most}px` }), " " + count))));
  }
  if (kernel) {
    parts.push(make("h3", { text: "kernel" }), make("div", {}, link(kernel.id), " " + kernel.name));
    const time = graph.times[kernel.id];
    if (time) parts.push(make("dl", {}, make("dt", { text: "time" }), make("dd", { text: short(time.micros) + " µs, " + short(100 * time.share) + " % of the step" }), make("dt", { text: "operations" }), make("dd", { text: short(time.flops / 1e6) + " MFLOP, " + short(time.gflops) + " GFLOP/s" }), make("dt", { text: "bytes" }), make("dd", { text: bytes(time.bytes) })));
    const code = graph.code[kernel.id];
    if (code) {
      parts.push(make("h3", { text: "code" }));
      for (const each of code.functions) parts.push(listing(each, id));
    }
  }
  host.replaceChildren(...parts);
}

// Source and machine code side by side; the lines of the node are marked.
function listing(each, id) {
  const details = make("details", {}, make("summary", { text: (each.is_tile ? "tile " : "stage ") + each.name + ", " + each.instructions.length + " instructions" }));
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const table = make("table");
    let next = 0, last = null;
    const line = (left, right, node) => table.append(make("tr", node === id ? { class: "own" } : {}, make("td", { text: left }), make("td", { text: right }), make("td", {}, node ? link(node) : "")));
    for (const instruction of each.instructions) {
      const text = instruction.offset.toString(16).padStart(5) + "  " + instruction.text;
      if (instruction.source !== null && instruction.source !== last) {
        for (; next < instruction.source; next++) line(each.sources[next].text, "", each.sources[next].node);
        line(each.sources[instruction.source].text, text, instruction.node);
        next = Math.max(next, instruction.source + 1);
        last = instruction.source;
      } else line("", text, instruction.node);
    }
    for (; next < each.sources.length; next++) line(each.sources[next].text, "", each.sources[next].node);
    details.append(make("div", { class: "code" }, table));
  });
  return details;
}

let current = "graph";
function open(name) {
  current = name;
  document.querySelectorAll(".tab").forEach(tab => tab.classList.toggle("open", tab.id === "tab-" + name));
  document.querySelectorAll("#tabs button").forEach(button => button.setAttribute("aria-pressed", button.dataset.tab === name));
  if (name === "passes" && !panes.before) choosePass(Math.min(1, graph.stages.length - 1));
  if (name === "memory") memory();
  if (name === "timeline") timeline();
}

function setStage(index) {
  stage = index;
  $("stage").value = index;
  panes.graph.show(index);
}

// The identities of all nodes of a stage, those in kernels included, with their records.
function identities(each) {
  const found = new Map();
  for (const index of each.nodes) {
    const record = graph.records[index];
    found.set(record.id, index);
    for (const inner of record.body || []) found.set(graph.records[inner].id, inner);
  }
  return found;
}

function choosePass(index) {
  document.querySelectorAll("#passes div").forEach((each, i) => each.classList.toggle("now", i + 1 === index));
  const before = identities(graph.stages[index - 1] || graph.stages[0]), after = identities(graph.stages[index]);
  if (!panes.before) { panes.before = new Pane($("before"), Math.max(0, index - 1)); panes.after = new Pane($("after"), index); }
  panes.before.marks = new Map([...before].filter(([id]) => !after.has(id)).map(([id]) => [id, "removed"]));
  panes.after.marks = new Map([...after].filter(([id]) => !before.has(id)).map(([id]) => [id, "added"]));
  panes.before.show(Math.max(0, index - 1));
  panes.after.show(index);
  [panes.before.twin, panes.after.twin] = [panes.after, panes.before];
  // A few changes are shown where they are; of many, the closed layers.
  for (const pane of [panes.before, panes.after]) {
    const { tree, marks } = pane;
    tree.all.forEach(group => { group.open = group === tree.root || group.parent === tree.root; });
    if (marks.size <= 40) {
      for (const id of marks.keys()) {
        const node = tree.find(id);
        if (node) tree.path(node).slice(0, -1).forEach(group => { group.open = true; });
      }
    }
    pane.render();
  }
  (panes.before.tree.root.h > panes.after.tree.root.h ? panes.before : panes.after).fit();
  const rewrites = graph.stages[index].rewrites || [];
  $("page").replaceChildren(make("h2", { text: graph.stages[index].name }),
    make("p", { text: panes.before.marks.size + " nodes removed, " + panes.after.marks.size + " added, " + rewrites.length + " rewrites" }),
    make("div", {}, ...rewrites.slice(0, 500).map(each => make("div", {}, link(each.node), " " + each.op + ": " + each.rule))));
}

function memory() {
  const host = $("memory"), plan = graph.memory;
  if (host.childElementCount || !plan) return;
  const { report, kernels, peak } = plan, w = 900, h = 460, count = Math.max(1, kernels.length);
  const x = at => 70 + at / count * w, y = at => 20 + h - at / Math.max(1, report.arena) * h;
  const svg = make("svg", { width: w + 90, height: h + 60 });
  for (const value of report.values) {
    const kernel = kernels[value.first] || {}, last = Math.min(value.last, count - 1) + 1;
    const color = { forward: "#a8d1f0", backward: "#f5cfa0", update: "#b5e0b5" }[kernel.role] || "#ddd";
    const rect = make("rect", { x: x(value.first), y: y(value.offset + value.bytes), width: x(last) - x(value.first), height: Math.max(1, y(value.offset) - y(value.offset + value.bytes)), fill: color, stroke: "#555", "stroke-width": .5, onclick: () => kernel.node && pick(kernel.node) });
    rect.append(make("title", { text: `${kernel.name} of ${kernel.layer || "-"}, ${bytes(value.bytes)} at ${value.offset}, kernels ${value.first} to ${value.last}` }));
    svg.append(rect);
  }
  svg.append(make("rect", { x: x(peak.kernel), y: 20, width: x(1) - x(0), height: h, fill: "none", stroke: "#c00", "stroke-dasharray": "4 3", style: "pointer-events:none" }));
  svg.append(make("text", { x: 4, y: 28, text: bytes(report.arena) }), make("text", { x: 4, y: h + 20, text: "0" }), make("text", { x: 70, y: h + 40, text: "kernels in the order of the step; the peak is dashed" }));
  host.append(make("p", { text: `arena ${bytes(report.arena)}, states ${bytes(report.states)}; ${bytes(peak.bytes)} live at the peak, in kernel ${peak.kernel}: ${(kernels[peak.kernel] || {}).name || "-"}` }), svg);
}

function timeline(zoom = 1) {
  const host = $("timeline"), events = graph.events;
  if (host.childElementCount && zoom === 1) return;
  if (!events || !events.length) { host.append(make("p", { class: "muted", text: "No step was timed: brolga view SUBJECT --time" })); return; }
  const start = Math.min(...events.map(e => e[2])), end = Math.max(...events.map(e => e[2] + e[3]));
  const threads = 1 + Math.max(...events.map(e => e[0])), w = zoom * Math.max(600, host.clientWidth - 110);
  const svg = make("svg", { width: w + 80, height: threads * 46 + 50 });
  const x = t => 70 + (t - start) / Math.max(1, end - start) * w;
  for (const [thread, kernel, at, took] of events) {
    const info = graph.kernels[kernel] || {}, color = { forward: "#a8d1f0", backward: "#f5cfa0", update: "#b5e0b5" }[info.role] || "#ddd";
    const rect = make("rect", { x: x(at), y: 20 + thread * 46, width: Math.max(.5, x(at + took) - x(at)), height: 34, fill: color, stroke: "#555", "stroke-width": .3, onclick: () => info.node && pick(info.node) });
    rect.append(make("title", { text: `${info.name || "feed"} ${info.layer || ""} ${info.role || ""}: ${(took / 1e3).toFixed(2)} µs` }));
    svg.append(rect);
  }
  for (let t = 0; t < threads; t++) svg.append(make("text", { x: 4, y: 42 + t * 46, text: "thread " + t }));
  svg.append(make("text", { x: 70, y: threads * 46 + 40, text: ((end - start) / 1e3).toFixed(1) + " µs" }));
  const slider = make("input", { type: "range", min: 0, max: 7, step: .25, value: Math.log2(zoom), onchange: event => timeline(2 ** Number(event.target.value) + 1e-9) });
  host.replaceChildren(make("label", { text: "zoom " }, slider), make("div", {}, svg));
}

function search(word) {
  const host = $("hits");
  word = word.trim().toLowerCase();
  if (!word) { host.replaceChildren(); return; }
  const tree = shownPanes()[0].tree, hits = [];
  const matches = record => [record.id, record.op, record.name, record.layer, record.role, ...record.types].some(text => text && text.toLowerCase().includes(word));
  for (const kernel of tree.holder.values()) if (matches(kernel.kernel)) hits.push(kernel.kernel);
  for (const node of tree.leaves.values()) if (matches(node.record)) hits.push(node.record);
  host.replaceChildren(make("h3", { text: hits.length + " found" }), ...hits.slice(0, 200).map(record =>
    make("div", { class: "hit" }, link(record.id), " " + (record.name || record.op) + " " + (record.layer || "") + " " + (record.types[0] || ""))));
}

function use(index) {
  graph = data.graphs[index];
  picked = null; panes = {};
  $("stage").replaceChildren(...graph.stages.map((each, i) => make("option", { value: i, text: each.name })));
  $("passes").replaceChildren(...graph.stages.slice(1).map((each, i) => make("div", { text: each.name + (each.rewrites ? " (" + each.rewrites.length + ")" : ""), onclick: () => choosePass(i + 1) })));
  $("memory").replaceChildren(); $("timeline").replaceChildren(); $("hits").replaceChildren();
  $("page").replaceChildren(make("p", { class: "muted", text: "Click a box: a group opens or closes, a node shows its page. Wheel: zoom. Drag: move." }));
  open("graph");
  panes.graph = new Pane($("pane"), graph.stages.length - 1);
  setStage(graph.stages.length - 1);
}

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

(async () => {
  data = await unpack($("data").textContent.trim());
  document.title = "brolga: " + data.title;
  $("title").textContent = data.title;
  $("graph").replaceChildren(...data.graphs.map((each, i) => make("option", { value: i, text: each.name })));
  $("graph").addEventListener("change", event => use(Number(event.target.value)));
  $("stage").addEventListener("change", event => setStage(Number(event.target.value)));
  $("expand").addEventListener("click", () => shownPanes().forEach(pane => pane.all(true)));
  $("collapse").addEventListener("click", () => shownPanes().forEach(pane => pane.all(false)));
  $("fit").addEventListener("click", () => shownPanes().forEach(pane => pane.fit()));
  $("find").addEventListener("input", event => search(event.target.value));
  document.querySelectorAll("#tabs button").forEach(button => button.addEventListener("click", () => open(button.dataset.tab)));
  use(0);
  document.body.dataset.ready = "true";
})().catch(error => {
  document.body.dataset.ready = "failed";
  $("page").replaceChildren(make("pre", { text: String(error && error.stack || error) }));
});
