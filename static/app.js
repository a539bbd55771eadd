// What a browser adds to pages that work without it: fragments that refresh themselves, times that go on, and a
// few comforts. Nothing here is needed to see or to do anything.

const body = document.body;
const all = (selector, root = document) => root.querySelectorAll(selector);
const one = (selector, root = document) => root.querySelector(selector);
document.documentElement.classList.add("js");

// ---- time -----------------------------------------------------------------------------------------------------

// The server's clock counts, not the browser's.
let skew = Date.parse(body.dataset.now) - Date.now() || 0;
const now = () => Date.now() + skew;

// clock writes a time in the server's zone, as the page does.
const zone = /([+-])(\d\d):(\d\d)$/.exec(body.dataset.now);
const offset = zone ? Number(zone[1] + 60) * zone[2] + Number(zone[1] + zone[3]) : 0;
const clock = (time) => new Date(time + offset * 60000).toISOString().slice(11, 19);

const unit = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// duration writes seconds like templates.Duration does.
function duration(seconds) {
  let i = unit.findIndex(([, size]) => seconds >= size);
  if (i < 0) return "0 s";
  const [name, size] = unit[i], n = Math.floor(seconds / size);
  if (i === unit.length - 1) return `${n} ${name}`;
  const [nextName, nextSize] = unit[i + 1], rest = Math.floor(seconds % size / nextSize);
  return rest === 0 || n >= 30 ? `${n} ${name}` : `${n} ${name} ${rest} ${nextName}`;
}

// largest is a duration with its largest unit only.
function largest(seconds) {
  const [name, size] = unit.find(([, size]) => seconds >= size) ?? ["s", 1];
  return `${Math.floor(seconds / size)} ${name}`;
}

const wordings = {
  since: (age) => duration(Math.max(age, 0)),
  ago: (age) => age < 1 ? "just now" : age < 31 * 86400 ? `${largest(age)} ago` : null,
  until: (age) => age >= 0 ? "now" : `in ${duration(Math.ceil(-age))}`,
};

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  for (const el of all("time[data-tick]")) {
    const age = (now() - Date.parse(el.dateTime)) / 1000;
    const words = wordings[el.dataset.tick]?.(el.dataset.tick === "until" ? age : Math.floor(age));
    if (words) write(el, words);
  }
  showAge();
}

// ---- live fragments -------------------------------------------------------------------------------------------

// Without an event for this long the data is called old, whatever the connection says. The server sends one at
// least every five seconds.
const staleAfter = 15000;
const age = one(".age[data-live]");
let source, heard = now(), retry = 1000;

function showAge() {
  if (!age || !body.dataset.events) return;
  const silence = now() - heard, fresh = source?.readyState === EventSource.OPEN && silence < staleAfter;
  age.dataset.live = fresh ? "on" : "off";
  const seconds = Math.floor(silence / 1000);
  write(one(".age-state", age), fresh ? "Live" : "Reconnecting – ");
  write(one(".age-detail", age), fresh
    ? ` · updated ${seconds < 1 ? "just now" : largest(seconds) + " ago"}`
    : `data from ${clock(heard)}`);
}

// Whatever the visitor opened, and the label of a button that works, outlives an update.
const morphing = {
  ignoreActiveValue: true,
  callbacks: {
    beforeAttributeUpdated: (name, node) =>
      !(name === "open" && node.tagName === "DETAILS") && !(name === "hidden" && node.tagName === "BUTTON"),
    beforeNodeMorphed: (node) => node.nodeType !== 1 || node.getAttribute("aria-busy") !== "true",
  },
};

// apply puts every element at the top level of the HTML in the place of the one with its id.
function apply(html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  for (const fresh of [...parsed.content.children]) {
    const present = document.getElementById(fresh.id);
    if (!present || selecting(present)) continue;
    const logs = keepScroll(present);
    Idiomorph.morph(present, fresh, morphing);
    logs();
    prepare(document.getElementById(fresh.id));
  }
}

// selecting reports whether the visitor marks text in an element: an update would take the mark away.
function selecting(element) {
  const selection = getSelection();
  return !selection.isCollapsed && element.contains(selection.anchorNode);
}

// keepScroll returns what to do after an update: a log that was read at its end shows its end again.
function keepScroll(element) {
  const atEnd = [...all(".log", element)].map((log) => log.scrollTop + log.clientHeight >= log.scrollHeight - 8);
  return () => all(".log", element).forEach((log, i) => { if (atEnd[i] ?? true) log.scrollTop = log.scrollHeight; });
}

function connect() {
  if (source && source.readyState !== EventSource.CLOSED) return;
  source = new EventSource(body.dataset.events);
  const news = () => { heard = now(); retry = 1000; showAge(); };
  source.addEventListener("open", news);
  source.addEventListener("now", (event) => {
    const server = Date.parse(event.data);
    if (server) skew = server - Date.now();
    news();
  });
  source.addEventListener("reset", () => location.reload());
  for (const id of fragments) source.addEventListener(id, (event) => { apply(event.data); news(); tick(); });
  source.onerror = () => {
    showAge();
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    setTimeout(() => { if (!document.hidden) connect(); }, retry);
    retry = Math.min(retry * 2, 30000);
  };
}

const fragments = ["services-summary", "services-table", "service-head", "service-facts", "service-lines",
  "service-runs", "processes-table"];

if (body.dataset.events && window.EventSource && window.Idiomorph) {
  connect();
  // A page that nobody looks at costs nothing; it catches up as soon as somebody does.
  document.addEventListener("visibilitychange", () => document.hidden ? source.close() : connect());
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  addEventListener("pagehide", () => source.close());
}

// ---- comforts -------------------------------------------------------------------------------------------------

// prepare shows the controls that only a script can serve.
function prepare(root) {
  for (const el of all("[data-copy], [data-fill]", root)) el.hidden = false;
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    const code = one("code", button.parentElement); // no permission, or no TLS: mark it, for the keyboard
    return getSelection().selectAllChildren(code);
  }
  const use = one("use", button), picture = use.getAttribute("href");
  use.setAttribute("href", picture.replace(/#.*/, "#check"));
  announce("Copied.");
  setTimeout(() => use.setAttribute("href", picture), 1500);
}

function announce(text) {
  let region = one("#announce");
  if (!region) {
    region = document.createElement("p");
    region.id = "announce";
    region.className = "hidden";
    region.setAttribute("role", "status");
    body.append(region);
  }
  region.textContent = text;
}

function fill(button) {
  const field = one(`#field-${button.dataset.fill}`);
  field.value = button.dataset.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

document.addEventListener("click", (event) => {
  const target = event.target;
  const copying = target.closest("[data-copy]"), filling = target.closest("[data-fill]");
  if (copying) copy(copying);
  if (filling) fill(filling);
  for (const menu of all("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  if (target.closest('a[href="#help"]')) openHelp();
});

function openHelp() {
  one("#me")?.matches(":popover-open") && one("#me").hidePopover();
  const help = one("details.help");
  if (!help) return;
  help.open = true;
  one("summary", help).focus();
}

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    one("summary", menu).focus();
  }
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const filter = one("[data-filter]");
    if (filter) { event.preventDefault(); filter.focus(); filter.select(); }
  }
});

// A button that was pressed says so until the answer comes, and cannot be pressed twice.
document.addEventListener("submit", (event) => {
  const form = event.target, button = event.submitter ?? one("button", form);
  if (form.matches("[data-theme-form]")) return chooseTheme(event, button);
  if (!button?.dataset.busy) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  const label = one("span", button);
  button.dataset.label = label.textContent;
  button.setAttribute("aria-busy", "true");
  label.textContent = button.dataset.busy;
  announce(button.dataset.busy);
});

// Coming back with the browser's button finds every button as it was.
addEventListener("pageshow", () => {
  for (const form of all("form[data-sent]")) delete form.dataset.sent;
  for (const button of all("[aria-busy]")) {
    button.removeAttribute("aria-busy");
    one("span", button).textContent = button.dataset.label;
  }
});

function chooseTheme(event, button) {
  event.preventDefault();
  const data = new URLSearchParams(new FormData(event.target, button));
  const theme = data.get("theme"), root = document.documentElement;
  if (theme === "system") root.removeAttribute("data-theme"); else root.dataset.theme = theme;
  for (const other of all("button", event.target)) other.setAttribute("aria-pressed", String(other === button));
  fetch(event.target.action, { method: "POST", body: data, redirect: "manual", keepalive: true }).catch(() => {});
}

function rememberWrap() {
  const wrap = one("#wrap");
  if (!wrap) return;
  wrap.checked = localStorage.getItem("wrap") !== "no";
  wrap.addEventListener("change", () => localStorage.setItem("wrap", wrap.checked ? "yes" : "no"));
}

prepare(document);
rememberWrap();
for (const log of all(".log")) log.scrollTop = log.scrollHeight;
if (location.hash === "#help") openHelp();
(one("[data-focus]") ?? one("#flash[role=alert] .flash"))?.focus();
tick();
setInterval(tick, 1000);
