"use strict";

// Whatever comes from the cluster is put in as text: there is no innerHTML here, and the page's policy forbids it.

const PERIOD = 2000, PAGE = 50;
const byId = (id) => document.getElementById(id);
let paused = false, looks = 0, offset = 0, matching = 0, filterTimer = 0, failures = 0, filterCount = 0;
const open = new Set();

function element(name, properties, ...children) {
  const result = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key in result) result[key] = value;
    else result.setAttribute(key, value);
  }
  result.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return result;
}

const number = (value) => value.toLocaleString("en");
const rate = (value) => value === undefined ? "" : (value < 100 ? value.toFixed(1) : number(Math.round(value))) + "/s";
function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  for (; value >= 999.95 && unit < units.length - 1; unit++) value /= 1000;
  return (unit ? value.toFixed(1) : String(Math.round(value))) + " " + units[unit];
}

const words = (parts) => parts.filter((part) => part).join(", ");

function span(seconds) {
  let rest = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (rest >= size || (size === 1 && !parts.length)) parts.push(Math.floor(rest / size) + " " + name);
    rest %= size;
  }
  return parts.slice(0, 2).join(" ");
}

/// A table; each column has a title, what it shows of a row, and perhaps a class.
function table(title, columns, rows, detail) {
  const head = element("tr", {role: "row"}, ...columns.map(
    (column) => element("th", {scope: "col", role: "columnheader", className: column.kind || ""}, column.title)));
  const body = element("tbody", {role: "rowgroup"});
  for (const row of rows) {
    body.append(element("tr", {role: "row"}, ...columns.map((column) => {
      const value = column.show(row);
      const cell = element("td", {role: "cell", className: column.kind || ""}, ...[].concat(value));
      if (cell.hasChildNodes()) cell.setAttribute("data-label", column.title);
      return cell;
    })));
    if (detail) detail(row, body, columns.length);
  }
  return element("table", {role: "table", "aria-label": title},
    element("thead", {role: "rowgroup"}, head), body);
}

/// Puts new content in place of the old without taking the keyboard's focus away.
function replace(place, ...content) {
  const active = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...content);
  if (active === undefined) return;
  for (const candidate of place.querySelectorAll("[data-key]")) {
    if (candidate.dataset.key === active) return candidate.focus({preventScroll: true});
  }
}

const none = (text) => element("p", {className: "quiet"}, text);
const rest = (excerpt) => excerpt.total > excerpt.items.length
  ? none("… and " + number(excerpt.total - excerpt.items.length) + " more") : null;

async function get(path) {
  const response = await fetch(path, {cache: "no-store", headers: {Accept: "application/json"}});
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || "HTTP status " + response.status);
  return body;
}

// The node

const STATES = {synchronized: "good", pending: "wait", starting: "wait", failing: "bad"};

function showSync(status) {
  const sync = status.sync;
  document.title = "Fairlead " + status.node;
  byId("node").textContent = status.node;
  byId("state").textContent = sync.state;
  byId("state").className = "badge " + (STATES[sync.state] || "");
  byId("summary").textContent = words([
    "version " + status.version, "up " + span(status.uptimeSeconds),
    sync.lastSuccessSeconds === undefined ? "never in line yet" : "in line " + span(sync.lastSuccessSeconds) + " ago",
    sync.healthy ? "" : "unhealthy"]);
  const failure = sync.lastFailure;
  const troubles = (sync.troubles || []).filter((one) => one.code !== "kernel").map((one) => one.text);
  if (sync.state === "failing") troubles.unshift("The kernel cannot be brought in line: " +
    failure.reason + "; tried again in " + span(failure.retryInSeconds || 0));
  const trouble = troubles.join(" · ");
  if (byId("trouble").textContent !== trouble) byId("trouble").textContent = trouble;
}

function showNumbers(status) {
  const counts = status.counts;
  const elements = Object.values(counts.elements).flatMap(Object.values).reduce((sum, one) => sum + one, 0);
  const numbers = [
    ["Services", number(counts.services)], ["Frontends", number(counts.frontends)],
    ["Endpoints", number(counts.endpoints)], ["Elements", number(elements)],
    ["Refusing frontends", number(status.refused.total)], ["Refused packets", rate(status.refusedRate) || "…"],
    ["New connections", status.busiest ? rate(status.connectionRate) || "…" : "not counted"],
    ...(status.traffic ? [["Traffic", status.trafficRate === undefined ? "…" : bytes(status.trafficRate) + "/s"]] : []),
    ...(status.handedOn ? [["Handed on", rate(status.handedOn.rate) || "…"]] : []),
    ["Changes waiting", number(status.sync.pendingChanges)], ["Repairs", number(status.protection.driftRepairs)],
  ];
  if (counts.heldServices) numbers.push(["Held Services", number(counts.heldServices)]);
  byId("numbers").replaceChildren(...numbers.map(
    ([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

const serviceName = (item) => item.namespace + "/" + item.name;
const REFUSED = [
  {title: "Service", show: serviceName}, {title: "Port", show: (item) => item.port},
  {title: "Frontend", kind: "mono", show: (item) => item.frontend},
  {title: "Verdict", show: (item) => item.verdict + (item.sources === "outside" ? " from outside" : "")},
  {title: "Packets", kind: "number", show: (item) => number(item.packets)},
  {title: "Rate", kind: "number", show: (item) => rate(item.rate)},
];
const BUSIEST = [
  {title: "Service", show: serviceName},
  {title: "Connections", kind: "number", show: (item) => number(item.connections)},
  {title: "Rate", kind: "number", show: (item) => rate(item.rate)},
];
const TRAFFIC = [
  {title: "Service", show: serviceName},
  {title: "In", kind: "number", show: (item) => bytes(item.bytesIn)},
  {title: "Out", kind: "number", show: (item) => bytes(item.bytesOut)},
  {title: "Packets in", kind: "number", show: (item) => number(item.packetsIn)},
  {title: "Packets out", kind: "number", show: (item) => number(item.packetsOut)},
  {title: "Bytes per second", kind: "number", show: (item) => item.rate === undefined ? "" : bytes(item.rate)},
];
const COMMITS = [
  {title: "Time", kind: "mono", show: (item) => item.time.replace("T", " ").replace(/\.\d+/, "")},
  {title: "Cause", show: (item) => item.cause},
  {title: "Milliseconds", kind: "number", show: (item) => (item.seconds * 1000).toFixed(1)},
  {title: "Added", kind: "number", show: (item) => number(item.added)},
  {title: "Removed", kind: "number", show: (item) => number(item.removed)},
  {title: "Services", kind: "number", show: (item) => number(item.services)},
  {title: "Generation", kind: "number", show: (item) => item.generation === undefined ? "" : String(item.generation)},
];
const FINDINGS = [
  {title: "Severity", show: (item) => element("span", {className: {error: "bad", warning: "wait"}[item.severity] || ""},
    item.severity)},
  {title: "Finding", show: (item) => item.text},
];
const ELEMENTS = [
  {title: "Set", kind: "mono", show: (item) => item[0]}, {title: "Family", show: (item) => item[1]},
  {title: "Elements", kind: "number", show: (item) => number(item[2])},
];

function showLists(status) {
  const fill = (id, title, columns, excerpt, empty) => replace(byId(id), ...(excerpt.total
    ? [table(title, columns, excerpt.items), rest(excerpt)].filter(Boolean) : [none(empty)]));
  if (status.counters.failure) {
    replace(byId("refused"), none("The counters cannot be read: " + status.counters.failure));
  } else {
    fill("refused", "Rejected or dropped now", REFUSED, status.refused, "No Service rejects or drops connections.");
  }
  if (status.traffic && status.traffic.total) {
    fill("traffic", "Services by traffic", TRAFFIC, status.traffic, "");
  } else {
    replace(byId("traffic"));
  }
  if (status.busiest) {
    fill("busiest", "Busiest Services", BUSIEST, status.busiest, "No Service has an endpoint.");
  } else {
    replace(byId("busiest"), none("The daemon runs without --service-counters: new connections are not counted."));
  }
  fill("findings", "Findings", FINDINGS, status.findings, "Nothing is wrong with any object.");
  replace(byId("commits"), table("Last commits", COMMITS, status.transactions));
  const sets = Object.entries(status.counts.elements).flatMap(
    ([family, all]) => Object.entries(all).map(([set, count]) => [set, family, count]));
  sets.sort((left, right) => left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : left[1] < right[1] ? -1 : 1);
  replace(byId("elements"), table("Elements by set", ELEMENTS, sets));
}

// Services

function endpoints(port) {
  const texts = Object.entries(port.endpoints).map(
    ([family, count]) => [family, number(count.cluster) + " (" + number(count.local) + " here)"]);
  if (!texts.length) return "";
  if (texts.every(([, text]) => text === texts[0][1])) return texts[0][1];
  return texts.map(([family, text]) => (family === "ipv4" ? "IPv4 " : "IPv6 ") + text).join(", ");
}

const list = (items) => items.length ? element("ul", {}, ...items.map((item) => element("li", {}, item))) : "";
const STATE_CLASS = {served: "good", refusing: "bad", held: "wait"};
const SERVICES = [
  {title: "Service", show: (row) => element("button", {
    type: "button", className: "name", "aria-expanded": String(open.has(serviceName(row))),
    "data-key": serviceName(row), onclick: () => toggle(row)}, serviceName(row))},
  {title: "State", show: (row) => element("span", {className: STATE_CLASS[row.state] || ""}, row.state +
    (row.findings ? " (" + row.findings + (row.findings === 1 ? " finding)" : " findings)") : ""))},
  {title: "Type", show: (row) => row.type},
  {title: "Policies", show: (row) => words([
    row.externalTrafficPolicy && "external " + row.externalTrafficPolicy, "internal " + row.internalTrafficPolicy,
    row.affinitySeconds && "affinity " + span(row.affinitySeconds)])},
  {title: "Addresses", kind: "mono", show: (row) => list(row.addresses)},
  {title: "Ports", show: (row) => list(row.ports.map((port) => words([
    (port.name ? port.name + " " : "") + port.port + "/" + port.transport, port.nodePort && "node " + port.nodePort])))},
  {title: "Endpoints", show: (row) => list(row.ports.map(endpoints))},
  {title: "Refused", kind: "number", show: (row) => row.refused.length
    ? rate(row.refused.every((one) => one.rate === undefined) ? undefined
      : row.refused.reduce((sum, one) => sum + (one.rate || 0), 0)) || "yes" : ""},
  {title: "Traffic", kind: "number", show: (row) => row.byteRate === undefined
    ? (row.bytes === undefined ? "" : bytes(row.bytes)) : bytes(row.byteRate) + "/s"},
  {title: "Connections", kind: "number", show: (row) => row.connectionRate === undefined
    ? (row.connections === undefined ? "" : number(row.connections)) : rate(row.connectionRate)},
];

const REASONS = {
  used: "serves", usedWhileTerminating: "serves while it terminates", notReady: "not ready",
  drained: "weight 0: no new connections",
  terminatingNotNeeded: "terminating, others are ready", otherNode: "on another node",
  hintedToOtherNodes: "hinted to other nodes", hintedToOtherZones: "hinted to other zones",
  duplicate: "stands twice", openPort: "its slice leaves the port open", headlessSlice: "its slice is headless",
};
const reason = (code) => REASONS[code] || code;
const ENDPOINTS = [
  {title: "Endpoint", kind: "mono", show: (item) =>
    (item.address.includes(":") ? "[" + item.address + "]" : item.address) + (item.port ? ":" + item.port : "")},
  {title: "Port", show: (item) => item.portName}, {title: "Node", show: (item) => item.node || ""},
  {title: "Weight", kind: "number", show: (item) => item.weight === undefined ? "" : number(item.weight)},
  {title: "Policy Cluster", show: (item) => reason(item.cluster)},
  {title: "Policy Local", show: (item) => reason(item.local)},
];

const details = new Map();

function toggle(row) {
  const name = serviceName(row);
  if (!open.delete(name)) open.add(name);
  details.delete(name);
  refreshServices();
}

function detailRow(row, body, width) {
  const detail = details.get(serviceName(row));
  if (!open.has(serviceName(row)) || !detail) return;
  const cell = element("td", {role: "cell", colSpan: width});
  const items = detail.endpoints;
  cell.append(...[
    items ? items.total ? table("Endpoints of " + serviceName(row), ENDPOINTS, items.items) : none("No endpoints.") : "",
    items ? rest(items) : none(detail.error),
    detail.findings && detail.findings.length ? table("Findings about " + serviceName(row), FINDINGS, detail.findings) : null,
  ].filter(Boolean));
  body.append(element("tr", {role: "row", className: "detail"}, cell));
}

async function refreshServices() {
  const mine = ++filterCount;
  const query = new URLSearchParams({filter: byId("words").value, only: byId("only").value, sort: byId("sort").value, offset, limit: PAGE});
  const answer = await get("api/v1/services?" + query);
  await Promise.all(answer.services.map(serviceName).filter((name) => open.has(name)).map(async (name) => {
    const path = name.split("/").map(encodeURIComponent).join("/");
    details.set(name, await get("api/v1/services/" + path).catch((error) => ({error: error.message})));
  }));
  // A later question has been asked meanwhile.
  if (mine !== filterCount) return;
  matching = answer.matching;
  if (offset > 0 && offset >= matching) {
    offset = Math.max(0, Math.floor((matching - 1) / PAGE) * PAGE);
    return refreshServices();
  }
  const last = offset + answer.services.length;
  const text = matching
    ? number(offset + 1) + "–" + number(last) + " of " + number(matching) +
      (matching < answer.total ? " (" + number(answer.total) + " in all)" : "")
    : "None of " + number(answer.total) + " Services";
  // Told to readers of the screen only if it is news.
  if (byId("matches").textContent !== text) byId("matches").textContent = text;
  replace(byId("services"), matching ? table("Services", SERVICES, answer.services, detailRow) : "");
  byId("previous").disabled = offset === 0;
  byId("next").disabled = last >= matching;
}

function filterChanged() {
  offset = 0;
  clearTimeout(filterTimer);
  filterTimer = setTimeout(() => refreshServices().catch(showTrouble), 200);
}

function turn(step) {
  offset = Math.max(0, offset + step * PAGE);
  refreshServices().then(() => {
    // A button that is disabled loses the focus: its neighbour gets it.
    const [used, other] = step > 0 ? ["next", "previous"] : ["previous", "next"];
    if (byId(used).disabled) byId(other).focus();
  }).catch(showTrouble);
}

// Explanations

const VERDICTS = {reaches: "good", refused: "bad", dropped: "bad", untouched: "wait"};
const REACHED = [
  {title: "Endpoint", kind: "mono", show: (item) =>
    (item.address.includes(":") ? "[" + item.address + "]" : item.address) + ":" + item.port},
  {title: "Share", kind: "number", show: (item) => (item.share * 100).toFixed(1) + " %"},
  {title: "Node", show: (item) => item.node || ""},
  {title: "Source address", show: (item) => item.source + (item.terminating ? ", terminating" : "")},
];
const LEFT_OUT = [
  {title: "Left out", kind: "mono", show: (item) =>
    (item.address.includes(":") ? "[" + item.address + "]" : item.address) + (item.port ? ":" + item.port : "")},
  {title: "Node", show: (item) => item.node || ""}, {title: "Why", show: (item) => item.reason},
];

async function explain(event) {
  event.preventDefault();
  const question = new URLSearchParams({from: byId("from").value, to: byId("to").value});
  const answer = byId("answer");
  try {
    const result = await get("api/v1/explain?" + question);
    const service = result.service ? " (" + result.service.namespace + "/" + result.service.name + ")" : "";
    answer.replaceChildren(
      element("p", {}, element("strong", {className: VERDICTS[result.verdict] || ""}, result.verdict), ": " +
        result.from.address + " to " + result.to.address + " port " + result.to.port + "/" + result.to.protocol + service),
      element("ul", {}, ...result.reasons.map((line) => element("li", {},
        element("span", {className: "topic"}, line.topic), " " + line.text))),
      ...(result.endpoints.length ? [table("Endpoints", REACHED, result.endpoints)] : []),
      ...(result.leftOut.length ? [table("Left out", LEFT_OUT, result.leftOut)] : []));
  } catch (error) {
    answer.replaceChildren(element("p", {className: "bad"}, error.message));
  }
}

// The clock

function showTrouble(error) {
  failures += 1;
  byId("news").textContent = "No answer (" + error.message + "); what is shown may be out of date. Trying again.";
}

async function refresh() {
  try {
    const status = await get("api/v1/status");
    showSync(status);
    showNumbers(status);
    showLists(status);
    if (looks++ % 5 === 0) showHistory(await get("api/v1/history"));
    await refreshServices();
    if (failures) byId("news").textContent = "";
    failures = 0;
  } catch (error) {
    showTrouble(error);
  }
}

async function keepRefreshing() {
  if (!paused && !document.hidden) await refresh();
  setTimeout(keepRefreshing, Math.min(PERIOD * (failures + 1), 30000));
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("news").textContent = paused ? "Paused." : "";
  if (!paused) refresh();
});
byId("explain").addEventListener("submit", explain);
byId("filter").addEventListener("submit", (event) => event.preventDefault());
byId("words").addEventListener("input", filterChanged);
byId("only").addEventListener("change", filterChanged);
byId("sort").addEventListener("change", filterChanged);
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) refresh(); });
keepRefreshing();
