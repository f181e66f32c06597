// Which page is shown, where its data comes from, and what happens when the server goes away.

import { clock, duration, el } from "/assets/format.js";
import { PAGES } from "/assets/pages.js";

const ids = ["nav", "page", "title", "state", "range", "pause", "theme", "notice", "service"];
const [nav, page, title, state, range, pause, theme, notice, service] = ids.map((id) => document.getElementById(id));

let source = null;
let shown = null;
let paused = false;
let latest = null;

/** What the address asks for. */
function wish() {
  const query = new URLSearchParams(location.search);
  const number = (name) => (query.has(name) && Number.isFinite(Number(query.get(name))) ? Number(query.get(name)) : null);
  const name = location.pathname.replace(/^\/+/, "") || "overview";
  return { name: PAGES[name] ? name : "overview", range: number("range") ?? 300, from: number("from"), to: number("to"), file: number("file"), id: number("id") };
}

/** Changes the address, and shows what it says. */
function go(changes) {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  history.pushState(null, "", location.pathname + (text ? "?" + text : ""));
  show();
}

function say(kind, text) {
  state.className = "state " + kind;
  state.textContent = text;
}

function tell(text) {
  notice.hidden = !text;
  notice.textContent = text ?? "";
}

const context = {
  go,
  zoomed: (from, to) => go({ from: Math.floor(from), to: Math.ceil(to), range: null }),
  async ask(path) {
    const answer = await fetch(path, { headers: { accept: "application/json" } });
    if (answer.status === 401) { location.assign("/login?next=" + encodeURIComponent(location.pathname)); throw new Error("log in"); }
    const json = await answer.json();
    if (!answer.ok) throw new Error(json.error ?? answer.statusText);
    return json;
  },
  async post(path, body) {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const json = await answer.json();
    if (!answer.ok) throw new Error(json.error ?? answer.statusText);
    return json;
  },
  tell,
};

function render(data) {
  latest = data;
  const asked = wish();
  if (data.service) service.textContent = `${data.service.program} ${data.service.pid}, up ${duration(data.service.up_s)}`;
  const build = PAGES[asked.name].show;
  Promise.resolve(build(page, data, asked, context)).catch((error) => tell(error.message));
}

function listen(asked) {
  const query = new URLSearchParams({ panel: PAGES[asked.name].panel, range: asked.range });
  if (asked.file !== null) query.set("file", asked.file);
  source = new EventSource("/api/v1/stream?" + query);
  source.addEventListener("panel", (event) => {
    const data = JSON.parse(event.data);
    say("live", "live");
    tell(null);
    if (!paused) render(data);
  });
  source.onerror = () => {
    say("lost", "disconnected");
    tell("The server does not answer. Is the program still running? The page connects again by itself.");
    // A stream that was refused is not tried again by the browser.
    if (source?.readyState === EventSource.CLOSED) { const old = source; setTimeout(() => { if (source === old) restart(); }, 2000); }
  };
}

function restart() {
  source?.close();
  fetch("/healthz").then(() => show(), () => { const old = source; setTimeout(() => { if (source === old) restart(); }, 1000); });
}

async function load(asked) {
  const query = new URLSearchParams({ from: asked.from });
  if (asked.to !== null) query.set("to", asked.to);
  if (asked.file !== null) query.set("file", asked.file);
  say("", `${clock(asked.from)} to ${asked.to === null ? "now" : clock(asked.to)}`);
  try {
    render(await context.ask(`/api/v1/${PAGES[asked.name].panel}?${query}`));
    tell("A part of the past is shown. Choose a range to follow the present.");
  } catch (error) {
    say("lost", "no answer");
    tell(error.message);
  }
}

function show() {
  const asked = wish();
  source?.close();
  source = null;
  if (shown !== asked.name) {
    page.replaceChildren(el("p", { class: "muted" }, "Loading."));
    page.removeAttribute("data-page");
    shown = asked.name;
  }
  title.textContent = PAGES[asked.name].title;
  document.title = `${PAGES[asked.name].title}: Rio`;
  if ([...range.options].some((option) => option.value === String(asked.range))) range.value = String(asked.range);
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.page === asked.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (asked.from !== null) load(asked);
  else { say("", "connecting"); listen(asked); }
}

function paint(name) {
  document.documentElement.dataset.theme = name;
  theme.textContent = name === "dark" ? "Light" : "Dark";
  if (latest) render(latest);
}

function toggleTheme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", next);
  paint(next);
}

function togglePause() {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Resume" : "Pause";
}

for (const [name, { title: text }] of Object.entries(PAGES)) {
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    const query = new URLSearchParams(location.search);
    ["file", "id"].forEach((key) => query.delete(key));
    const rest = query.toString();
    history.pushState(null, "", (name === "overview" ? "/" : "/" + name) + (rest ? "?" + rest : ""));
    show();
    document.getElementById("main").focus({ preventScroll: true });
  };
  nav.append(el("li", {}, el("a", { href: name === "overview" ? "/" : "/" + name, "data-page": name, click: follow }, text)));
}

range.addEventListener("change", () => go({ range: range.value, from: null, to: null }));
pause.addEventListener("click", togglePause);
theme.addEventListener("click", toggleTheme);
window.addEventListener("popstate", show);
// A page that is kept for the back button must not keep its connection.
window.addEventListener("pagehide", () => { source?.close(); source = null; });
window.addEventListener("pageshow", (event) => { if (event.persisted) show(); });
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "p") togglePause();
  if (event.key === "t") toggleTheme();
  const at = Number(event.key);
  const links = nav.querySelectorAll("a");
  if (at >= 1 && at <= links.length) links[at - 1].click();
});

paint(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
show();
