// Charts by plotly.js, which is loaded once, after the page has been painted.

let library = null;

function load() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/assets/plotly.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => { library = null; reject(new Error("the chart library did not load; reload the page")); };
    document.head.append(script);
  });
  return library;
}

/** A colour of the page's style. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export const PALETTE = ["#3b82c4", "#d97706", "#2a9d6f", "#c2468f", "#7c6bd6", "#7a8794"];
// From the colour of the panel to the accent, so that empty cells disappear in both themes.
function scale() {
  return [[0, colour("--panel")], [0.02, "#24507a"], [0.3, "#2f86c1"], [0.65, "#e0a030"], [1, "#d6402b"]];
}

function layout(options, narrow) {
  const line = colour("--line");
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, fixedrange: false };
  return {
    margin: { l: 56, r: 12, t: 8, b: 34 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--muted"), family: "system-ui, sans-serif", size: 12 },
    showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 } },
    hovermode: "x unified", hoverlabel: { bgcolor: colour("--panel"), font: { color: colour("--text") } },
    uirevision: "kept", dragmode: "zoom",
    ...options,
    xaxis: { ...axis, ...(narrow ? { nticks: 4, tickangle: 0 } : {}), ...(options.xaxis ?? {}) },
    yaxis: { ...axis, rangemode: "tozero", ...(options.yaxis ?? {}) },
    ...(options.yaxis2 ? { yaxis2: { ...axis, overlaying: "y", side: "right", showgrid: false, rangemode: "tozero", ...options.yaxis2 } } : {}),
  };
}

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset" };

/** Draws into a node, or updates what is there. `zoomed` is told when a range of time is selected. */
export async function draw(node, traces, options = {}, zoomed = null) {
  const plotly = await load();
  if (!node.isConnected) return;
  await plotly.react(node, traces, layout(options, node.clientWidth < 500), CONFIG);
  node.dataset.drawn = String(Number(node.dataset.drawn ?? 0) + 1);
  node.dataset.points = String(traces.reduce((sum, trace) => sum + (trace.x?.length ?? trace.y?.length ?? 0), 0));
  if (zoomed && !node.dataset.listens) {
    node.dataset.listens = "1";
    node.on("plotly_relayout", (change) => {
      const from = change["xaxis.range[0]"], to = change["xaxis.range[1]"];
      if (from !== undefined && to !== undefined) zoomed(new Date(from).getTime() / 1000, new Date(to).getTime() / 1000);
    });
  }
}

/** Lines over time. `series` is a list of [name, values]. */
export function lines(node, t, series, options = {}, zoomed = null) {
  const x = t.map((seconds) => new Date(seconds * 1000));
  const traces = series.map(([name, y, extra = {}], at) => ({
    x, y, name, type: "scatter", mode: t.length < 3 ? "markers" : "lines",
    line: { color: PALETTE[at % PALETTE.length], width: 1.6 }, connectgaps: false, ...extra,
  }));
  return draw(node, traces, { showlegend: series.length > 1, ...options }, zoomed);
}

/** Cells; values are shown by their logarithm, so that rare ones can be seen. */
export function heat(node, x, y, z, unit, options = {}) {
  const top = Math.max(1, ...z.map((row) => Math.max(...row)));
  const logarithm = z.map((row) => row.map((value) => (value > 0 ? Math.log10(1 + value) : 0)));
  const traces = [{
    type: "heatmap", x, y, z: logarithm, customdata: z, zmin: 0, zmax: Math.log10(1 + top), colorscale: scale(),
    hovertemplate: `%{x}<br>%{y}<br>%{customdata:.3s} ${unit}<extra></extra>`, showscale: false,
  }];
  return draw(node, traces, { hovermode: "closest", showlegend: false, yaxis: { rangemode: "normal" }, ...options });
}
