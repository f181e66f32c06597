// What each page shows. A page builds its frame once and then fills it each time new data comes.

import { bytes, clock, count, duration, el, micros, percent } from "/assets/format.js";
import { PALETTE, draw, heat, lines } from "/assets/charts.js";

/** The frame of a page, made once: panels by name. */
function frame(page, name, build) {
  if (page.dataset.page !== name) {
    page.replaceChildren(...build());
    page.dataset.page = name;
  }
  return (id) => page.querySelector(`[data-id="${id}"]`);
}

function panel(id, title, kind = "chart", wide = false) {
  const label = { chart: "chart", tall: "chart tall" }[kind];
  const inner = label
    ? el("div", { class: label, "data-id": id, role: "img", "aria-label": title })
    : el("div", { class: "scroll", "data-id": id });
  return el("section", { class: "panel" + (wide ? " wide" : "") }, el("h2", {}, title), inner);
}

function card(label, value, bad = false) {
  return el("div", { class: "card" + (bad ? " bad" : "") }, el("b", {}, value), el("span", {}, label));
}

function empty(absent) {
  return el("p", { class: "empty" }, el("b", {}, absent.why), ". To change that: " + absent.remedy + ".");
}

/** Fills a node with a part's data, or with why there is none. */
function part(node, value, fill) {
  if (value.absent) {
    if (node.classList.contains("js-plotly-plot")) node.replaceChildren();
    node.className = node.className.replace(/\bchart( tall)?\b/, "was-chart$1");
    node.replaceChildren(empty(value.absent));
    return;
  }
  if (node.classList.contains("was-chart")) {
    node.className = node.className.replace("was-chart", "chart");
    node.replaceChildren();
  }
  fill(value.data);
}

function table(heads, rows) {
  const head = el("tr", {}, heads.map(([text, number]) => el("th", { class: number ? "n" : null, scope: "col" }, text)));
  const body = rows.map((cells) => el("tr", {}, cells.map((cell, at) => el("td", { class: heads[at][1] ? "n" : null }, cell))));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, body));
}

function severity(name) {
  return el("span", { class: "tag " + name }, name);
}

function overview(page, data, asked, { zoomed }) {
  const at = frame(page, "overview", () => [
    el("div", { class: "cards", "data-id": "cards" }),
    el("div", { class: "grid" },
      panel("iops", "Operations per second"), panel("throughput", "Throughput"),
      panel("latency", "Latency of reads and writes"), panel("load", "Queue and errors"),
      panel("checks", "Health", "list"), panel("alerts", "Open alerts", "list"),
      panel("decisions", "Latest decisions", "list", true)),
  ]);
  part(at("cards"), data.live, (live) => at("cards").replaceChildren(
    card("operations/s", count(live.iops)), card("throughput/s", bytes(live.throughput_bps)),
    card("p50", micros(live.p50_us)), card("p99", micros(live.p99_us)),
    card("errors", percent(live.error_pct, 2), live.error_pct > 0), card("in flight", count(live.queue_depth)),
    card("cache hits", percent(live.cache_hit_share * 100)), card("CPU", percent(live.cpu_pct, 0)),
    card("memory", bytes(live.rss_bytes)), card("open alerts", String(data.alerts.length), data.alerts.length > 0)));
  const charts = {
    iops: (h) => lines(at("iops"), h.t, [["operations/s", h.iops, { fill: "tozeroy" }]], {}, zoomed),
    throughput: (h) => lines(at("throughput"), h.t, [["bytes/s", h.throughput_bps, { fill: "tozeroy" }]], { yaxis: { tickformat: ".3s" } }, zoomed),
    latency: (h) => lines(at("latency"), h.t, [["p50", h.p50_us], ["p95", h.p95_us], ["p99", h.p99_us], ["p99.9", h.p999_us]],
      { yaxis: { type: "log", rangemode: "normal", ticksuffix: " us" } }, zoomed),
    load: (h) => lines(at("load"), h.t, [["in flight", h.queue_depth], ["errors %", h.error_pct, { yaxis: "y2" }]],
      { yaxis2: { ticksuffix: " %" } }, zoomed),
  };
  for (const [id, fill] of Object.entries(charts)) part(at(id), data.history, fill);
  at("checks").replaceChildren(table([["", false], ["", false], ["", false]],
    data.checks.map((check) => [check.name, el("span", { class: "tag " + (check.ok ? "good" : "bad") }, check.ok ? "well" : "look"), check.detail])));
  at("alerts").replaceChildren(data.alerts.length
    ? el("ul", { class: "plain" }, data.alerts.map((alert) => el("li", {}, severity(alert.severity), " ", el("a", { href: "/alerts" }, alert.metric), " ", alert.evidence)))
    : el("p", { class: "empty" }, "No alert is open."));
  at("decisions").replaceChildren(data.decisions.length
    ? decisionTable(data.decisions)
    : el("p", { class: "empty" }, "The optimizer has decided nothing yet; the page Decisions says why."));
}

function ioMap(page, value, asked, { go }) {
  const at = frame(page, "io-map", () => [
    el("div", { class: "row" }, el("label", {}, "File ", el("select", { "data-id": "file", "aria-label": "File", change: (event) => go({ file: event.target.value }) })),
      el("span", { class: "muted", "data-id": "note" })),
    el("div", { class: "grid" }, panel("reads", "Reads: offset over time", "tall"), panel("writes", "Writes: offset over time", "tall"),
      panel("files", "Files", "list", true)),
  ]);
  if (value.absent) {
    for (const id of ["reads", "writes", "files"]) part(at(id), value, () => {});
    return;
  }
  const data = value.data;
  const choice = at("file");
  if (document.activeElement !== choice) {
    choice.replaceChildren(...data.files.map((file) => el("option", { value: file.id, selected: file.id === data.file }, file.path)));
  }
  at("note").textContent = data.weight > 1 ? `one access in about ${data.weight} is recorded at this rate` : "every access is recorded";
  const x = data.t_ms.map((ms) => new Date(ms));
  const options = { yaxis: { rangemode: "normal", tickformat: ".3s", title: { text: "offset, bytes" } } };
  for (const id of ["reads", "writes"]) part(at(id), value, () => heat(at(id), x, data.offset, data[id], "accesses", options));
  part(at("files"), value, () => at("files").replaceChildren(table([["file", false], ["reads", true], ["writes", true], ["bytes", true]],
    data.files.map((file) => [el("a", { href: `/io-map?file=${file.id}&range=${asked.range}` }, file.path), count(file.reads), count(file.writes), bytes(file.bytes)]))));
}

function latency(page, data, asked) {
  const at = frame(page, "latency", () => [
    el("div", { class: "grid" }, panel("heat", "Latency over time, operations per second", "tall", true),
      panel("spread", "Distribution by operation and path", "tall", true), panel("rows", "By operation and path", "list", true)),
  ]);
  part(at("heat"), data.heat, (h) => {
    const labels = h.up_to_us.map((bound) => micros(bound));
    heat(at("heat"), h.t.map((t) => new Date(t * 1000)), labels, h.per_s, "operations/s", { yaxis: { type: "category", rangemode: "normal" } });
  });
  part(at("spread"), data.rows, (rows) => draw(at("spread"),
    rows.slice(0, 6).map((row, n) => ({
      type: "scatter", mode: "lines", line: { shape: "hvh", color: PALETTE[n % PALETTE.length], width: 1.6 }, fill: "tozeroy",
      fillcolor: PALETTE[n % PALETTE.length] + "22", name: `${row.operation}, ${row.path}`,
      x: row.distribution.up_to_us, y: row.distribution.share.map((share) => share * 100),
    })),
    { xaxis: { type: "log", title: { text: "latency, us" } }, yaxis: { ticksuffix: " %" } }));
  part(at("rows"), data.rows, (rows) => at("rows").replaceChildren(
    el("p", { class: "muted" }, `The latest ${duration(data.covers_s)}. Latencies on the calling task are sampled, counts are complete.`),
    table([["operation", false], ["path", false], ["per s", true], ["bytes/s", true], ["errors", true], ["mean", true], ["p50", true], ["p90", true], ["p99", true], ["p99.9", true], ["max", true]],
      rows.map((row) => [row.operation, row.path, count(row.per_s), bytes(row.bps), row.errors ? el("span", { class: "bad" }, count(row.errors)) : "0",
        micros(row.mean_us), micros(row.p50_us), micros(row.p90_us), micros(row.p99_us), micros(row.p999_us), micros(row.max_us)]))));
}

function resources(page, data, asked, { zoomed }) {
  const at = frame(page, "resources", () => [
    el("div", { class: "cards", "data-id": "cards" }),
    el("div", { class: "grid" }, panel("cpu", "CPU of the process"), panel("memory", "Memory of the process"), panel("pool", "Buffers"),
      panel("hits", "Buffer requests served without the system"), panel("pressure", "Pressure: time some task waited"),
      panel("disk", "Disks, by everybody"), panel("engine", "Engine"), panel("files", "Threads and open files")),
  ]);
  const s = data.series, now = data.totals, last = (column) => column[column.length - 1];
  at("cards").replaceChildren(
    card("memory of the group", now.memory_used_bytes === null ? "?" : `${bytes(now.memory_used_bytes)} of ${bytes(now.memory_max_bytes)}`),
    card("buffers in use", `${bytes(last(s.pool_used_bytes) ?? 0)} of ${bytes(now.pool_bound_bytes)}`),
    card("on the calling task", count(now.inline_ops)), card("by io_uring", count(now.ring_ops)), card("by threads", count(now.blocking_ops)),
    card("failed", count(now.failed_ops), now.failed_ops > 0), card("read", bytes(now.bytes_read)), card("written", bytes(now.bytes_written)));
  if (s.t.length === 0) {
    for (const id of ["cpu", "memory", "pool", "hits", "pressure", "disk", "engine", "files"])
      part(at(id), { absent: { why: "the dashboard has no samples of this time", remedy: "wait for two seconds, or choose a later range" } }, () => {});
    return;
  }
  const size = { yaxis: { tickformat: ".3s", ticksuffix: "B" } }, share = { yaxis: { ticksuffix: " %" } };
  const chart = (id, series, options = {}) => part(at(id), { data: s }, () => lines(at(id), s.t, series, options, zoomed));
  chart("cpu", [["CPU", s.cpu_pct, { fill: "tozeroy" }]], share);
  chart("memory", [["resident", s.rss_bytes, { fill: "tozeroy" }]], size);
  chart("pool", [["in use", s.pool_used_bytes, { stackgroup: "a" }], ["idle", s.pool_idle_bytes, { stackgroup: "a" }]], size);
  chart("hits", [["hits", s.pool_hit_share.map((v) => (v === null ? null : v * 100))], ["waiting", s.pool_waiting, { yaxis: "y2" }]], { ...share, yaxis2: {} });
  chart("pressure", [["io", s.pressure_io_pct], ["memory", s.pressure_memory_pct], ["CPU", s.pressure_cpu_pct]], share);
  chart("disk", [["read/s", s.disk_read_bps], ["written/s", s.disk_write_bps], ["busy %", s.disk_busy_pct, { yaxis: "y2" }]], { ...size, yaxis2: { ticksuffix: " %" } });
  chart("engine", [["in flight", s.in_flight], ["pool threads", s.blocking_threads], ["ring enters/s", s.ring_enters_per_s, { yaxis: "y2" }]], { yaxis2: { tickformat: ".3s" } });
  chart("files", [["threads", s.threads], ["open files", s.open_files]]);
}

function patterns(page, data, asked, { zoomed }) {
  const at = frame(page, "patterns", () => [
    el("div", { class: "cards", "data-id": "cards" }),
    el("div", { class: "grid" }, panel("patterns", "Recognised access patterns", "list", true), panel("prefetch", "Prefetched blocks per second"),
      panel("worth", "What prefetching was worth"), panel("cache", "Cache hits")),
  ]);
  const ahead = data.prefetch.data, cache = data.cache.data;
  at("cards").replaceChildren(...(ahead ? [card("blocks issued", count(ahead.issued)), card("used", count(ahead.used)), card("wasted", count(ahead.wasted)), card("dropped", count(ahead.dropped))] : []),
    ...(cache ? [card("cache hits", count(cache.hits)), card("cache misses", count(cache.misses)), card("in the cache", `${bytes(cache.bytes)} of ${bytes(cache.bound_bytes)}`), card("evicted", count(cache.evicted))] : []));
  part(at("patterns"), data.patterns, (all) => at("patterns").replaceChildren(all.length
    ? table([["what", false], ["pattern", false], ["share", true], ["confidence", true]], all.map((one) => [one.subject, one.pattern, percent(one.share * 100), percent(one.confidence * 100, 0)]))
    : el("p", { class: "empty" }, "No pattern was recognised yet: that takes some dozens of reads.")));
  part(at("prefetch"), data.prefetch, (p) => lines(at("prefetch"), p.t, [["issued", p.issued_per_s], ["used", p.used_per_s], ["wasted", p.wasted_per_s]], {}, zoomed));
  part(at("worth"), data.prefetch, (p) => draw(at("worth"), [{
    type: "bar", x: ["used", "wasted", "undecided"], y: [p.used, p.wasted, Math.max(0, p.issued - p.used - p.wasted)], marker: { color: [PALETTE[2], PALETTE[1], PALETTE[5]] } }],
    { showlegend: false, hovermode: "closest" }));
  part(at("cache"), data.cache, (c) => lines(at("cache"), c.t, [["hits", c.hit_share.map((v) => (v === null ? null : v * 100))]], { yaxis: { ticksuffix: " %", range: [0, 101] } }, zoomed));
}

function gain(effect) {
  return `${effect.gain >= 0 ? "+" : ""}${(effect.gain * 100).toFixed(1)} % \u00b1 ${(effect.error * 100).toFixed(1)}`;
}

function decisionTable(decisions) {
  const state = (name) => el("span", { class: "tag " + ({ kept: "good", rolled_back: "warn", refused: "bad" }[name] ?? "muted") }, name.replace("_", " "));
  return table([["", false], ["when", false], ["parameter", false], ["change", false], ["why", false], ["expected", true], ["measured", true], ["state", false]],
    decisions.map((one) => [el("a", { href: "/decisions?id=" + one.id }, "#" + one.id), clock(one.at), one.parameter, `${one.from} \u2192 ${one.to}`,
      el("span", {}, one.reason, one.figures.length ? el("span", { class: "muted" }, ` (${one.figures.map((f) => `${f.name} ${f.value.toPrecision(3)} ${f.unit}`.trim()).join(", ")})`) : null),
      gain(one.expected), one.measured ? gain(one.measured.effect) : "not yet", state(one.state)]));
}

async function decisions(page, data, asked, { ask }) {
  const at = frame(page, "decisions", () => [
    el("div", { class: "grid" }, panel("before", "Before and after", "tall", true), panel("detail", "The decision", "list", true), panel("list", "Decisions", "list", true)),
  ]);
  part(at("list"), data.decisions, (all) => at("list").replaceChildren(all.length ? decisionTable(all) : el("p", { class: "empty" }, "The optimizer has decided nothing yet; it looks again each period.")));
  const all = data.decisions.data ?? [];
  const id = asked.id ?? all.find((one) => one.measured)?.id ?? all[0]?.id;
  if (id === undefined) {
    const absent = data.decisions.absent ?? { why: "nothing was decided yet", remedy: "leave the optimizer on while there is load" };
    for (const name of ["before", "detail"]) part(at(name), { absent }, () => {});
    return;
  }
  const detail = await ask("/api/v1/decisions/" + id);
  const one = detail.decision, h = detail.around;
  if (!page.isConnected || page.dataset.page !== "decisions") return;
  part(at("before"), { data: h }, () => lines(at("before"), h.t, [["bytes/s", h.throughput_bps], ["p99 us", h.p99_us, { yaxis: "y2" }]], {
    yaxis: { tickformat: ".3s" }, yaxis2: { ticksuffix: " us" },
    shapes: [{ type: "line", x0: new Date(one.at * 1000), x1: new Date(one.at * 1000), y0: 0, y1: 1, yref: "paper", line: { color: "#c2468f", width: 2, dash: "dash" } }],
    annotations: [{ x: new Date(one.at * 1000), y: 1, yref: "paper", text: `${one.parameter}: ${one.from} \u2192 ${one.to}`, showarrow: false, xanchor: "left", yanchor: "top", font: { color: "#c2468f" } }],
  }));
  const rows = [["Decision", `#${one.id}, ${clock(one.at)}, ${one.state.replace("_", " ")}`], ["Why", one.reason], ["Expected", gain(one.expected)],
    ["Measured", one.measured ? gain(one.measured.effect) : "not yet"], ["Reversed if", one.reverse_if]];
  if (one.measured) rows.push(["Throughput/s", `${bytes(one.measured.throughput_bps_before)} \u2192 ${bytes(one.measured.throughput_bps_after)}`], ["p99", `${micros(one.measured.p99_us_before)} \u2192 ${micros(one.measured.p99_us_after)}`]);
  at("detail").replaceChildren(table([["", false], ["", false]], rows));
}

function alerts(page, data, asked, { post, tell }) {
  const at = frame(page, "alerts", () => [
    el("div", { class: "grid" }, panel("open", "Open", "list", true), panel("silences", "Silences", "list", true), panel("past", "Past", "list", true)),
  ]);
  const silence = (alert) => el("button", {
    type: "button", disabled: !data.control, title: data.control ? "No notice of this metric for an hour" : "Read-only: start the dashboard with control to silence from here",
    click: () => post("/api/v1/alerts/silence", { metric: alert.metric, seconds: 3600 }).then(() => tell(`${alert.metric} is silenced for an hour.`), (error) => tell(error.message)),
  }, "Silence 1 h");
  const row = (alert, more) => [severity(alert.severity), alert.metric, alert.category.replace("_", " "), alert.evidence,
    el("ul", { class: "plain" }, alert.actions.map((action) => el("li", {}, action))), clock(alert.opened), ...more];
  const heads = [["", false], ["metric", false], ["kind", false], ["evidence", false], ["what to do", false], ["opened", false]];
  at("open").replaceChildren(data.open.length
    ? table([...heads, ["", false]], data.open.map((alert) => row(alert, [alert.silenced ? "silenced" : silence(alert)])))
    : el("p", { class: "empty" }, "No alert is open."));
  at("past").replaceChildren(data.past.length
    ? table([...heads, ["closed", false], ["came back", true]], data.past.map((alert) => row(alert, [clock(alert.closed), String(alert.reopened)])))
    : el("p", { class: "empty" }, "No alert has closed since the start."));
  at("silences").replaceChildren(data.silences.length
    ? table([["metric", false], ["left", true]], data.silences.map((one) => [one.metric, duration(one.left_s)]))
    : el("p", { class: "empty" }, "Nothing is silenced."));
}

function configuration(page, data) {
  const at = frame(page, "configuration", () => [el("div", { class: "grid" }, panel("tuned", "Tuned parameters, now", "list", true), panel("settings", "Settings", "list", true))]);
  part(at("tuned"), data.parameters, (all) => at("tuned").replaceChildren(table([["parameter", false], ["value", false], ["bounds", false]], all.map((one) => [one.name, one.value, one.bounds]))));
  at("settings").replaceChildren(table([["setting", false], ["value", false], ["from", false], ["allowed", false], ["variables", false]],
    data.settings.map((one) => [one.name, el("code", {}, one.value), el("span", {}, one.is_default ? one.origin : el("b", {}, one.origin), one.problems.map((problem) => el("div", { class: "bad" }, problem.text))),
      one.allowed, one.variables.map((name) => el("div", {}, el("code", {}, name)))])));
}

function recommendations(page, data) {
  const at = frame(page, "recommendations", () => [el("div", { class: "grid" }, panel("items", "What would help, most urgent first", "list", true))]);
  part(at("items"), data.items, (all) => at("items").replaceChildren(all.length
    ? table([["priority", true], ["about", false], ["what to do", false], ["expected", false], ["confidence", true]], all.map((one) => [String(one.priority), one.category.replace("_", " "), one.action, one.expected, percent(one.confidence * 100, 0)]))
    : el("p", { class: "empty" }, "Nothing to recommend: no alert is open and the optimizer proposes nothing.")));
}

export const PAGES = {
  overview: { title: "Overview", panel: "overview", show: overview },
  "io-map": { title: "I/O map", panel: "io-map", show: ioMap },
  latency: { title: "Latency", panel: "latency", show: latency },
  resources: { title: "Resources", panel: "resources", show: resources },
  patterns: { title: "Patterns and prefetch", panel: "patterns", show: patterns },
  decisions: { title: "Decisions", panel: "decisions", show: decisions },
  alerts: { title: "Alerts", panel: "alerts", show: alerts },
  configuration: { title: "Configuration", panel: "configuration", show: configuration },
  recommendations: { title: "Recommendations", panel: "recommendations", show: recommendations },
};
