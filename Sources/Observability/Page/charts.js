// The last hour

// The page has an empty picture, so that no address has to stand here.
const SVG = byId("picture").namespaceURI, STEP = 4, HEIGHT = 48;
const time = (seconds) => (seconds < 1 ? (seconds * 1000).toFixed(1) + " ms" : seconds.toFixed(2) + " s");
const CHARTS = [
  {title: "New connections", values: (history) => history.connectionRate, text: rate},
  {title: "Refused packets", values: (history) => history.refusedRate, text: rate, kind: "refusals"},
  {title: "Traffic", values: (history) => history.trafficRate, text: (value) => bytes(value) + "/s"},
  {title: "Commits", values: (history) => history.commits, text: number},
  {title: "Slowest commit", values: (history) => history.slowestCommitSeconds, text: time},
  {title: "Endpoints: slowest change to rules", values: (history) => history.slowestChangeSeconds, text: time},
];

/// A bar for each step of the hour, the newest at the right; what the pointer is over is told below.
function makeChart(chart) {
  chart.path = document.createElementNS(SVG, "path");
  chart.picture = document.createElementNS(SVG, "svg");
  chart.picture.setAttribute("role", "img");
  chart.picture.setAttribute("preserveAspectRatio", "none");
  chart.picture.append(chart.path);
  chart.picture.addEventListener("pointermove", (event) => {
    const box = chart.picture.getBoundingClientRect();
    const index = Math.floor((event.clientX - box.left) / box.width * chart.places) - chart.places + chart.shown.length;
    const value = chart.shown[index];
    chart.note.textContent = value === undefined || value === null ? chart.highest : chart.at(index) + ": " + chart.text(value);
  });
  chart.picture.addEventListener("pointerleave", () => { chart.note.textContent = chart.highest; });
  [chart.now, chart.note] = [element("strong"), element("p", {className: "quiet"})];
  chart.figure = element("figure", {className: chart.kind || ""},
    element("figcaption", {}, element("span", {}, chart.title), chart.now), chart.picture, chart.note);
}

function showHistory(history) {
  const places = Math.round(3600 / history.stepSeconds), end = Date.parse(history.end);
  const shown = CHARTS.filter((chart) => chart.values(history));
  for (const chart of shown) {
    if (!chart.figure) makeChart(chart);
    const values = chart.values(history), most = values.reduce((sum, one) => Math.max(sum, one || 0), 0);
    [chart.places, chart.shown] = [places, values];
    chart.at = (index) => new Date(end - (values.length - index) * history.stepSeconds * 1000).toLocaleTimeString();
    const bars = values.map((value, index) => value > 0
      ? "M" + (places - values.length + index) * STEP + " " + HEIGHT + "v-" + Math.max(1, value / most * HEIGHT).toFixed(1) +
        "h" + STEP + "V" + HEIGHT + "z" : "");
    chart.path.setAttribute("d", bars.join(""));
    chart.picture.setAttribute("viewBox", "0 0 " + places * STEP + " " + HEIGHT);
    const known = values.filter((one) => one !== null);
    chart.now.textContent = known.length ? chart.text(known[known.length - 1]) : "";
    chart.highest = most > 0 ? "highest " + chart.text(most) + " at " + chart.at(values.indexOf(most))
      : known.length ? "none" : "not known yet";
    if (!chart.picture.matches(":hover")) chart.note.textContent = chart.highest;
    chart.picture.setAttribute("aria-label", chart.title + " in the last hour: now " + (chart.now.textContent || "not known") +
      ", " + chart.highest);
  }
  const figures = shown.map((chart) => chart.figure);
  if (figures.some((one) => !one.isConnected)) byId("charts").replaceChildren(...figures);
}
