"""Checks the status page in a real browser against a real daemon, in the network namespace that it is started in."""

import argparse
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from browser import Browser, Failure

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SERVER = "http://127.0.0.1:10249"


def expect(condition, message):
    if not condition:
        raise Failure(message)


def run(*words):
    subprocess.run(words, check=True)


def make_node():
    """A node's interface in this namespace, so that its own connections to Services have a way."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "elsewhere")
    run("ip", "link", "set", "elsewhere", "up")
    run("ip", "address", "add", "172.30.0.11/24", "dev", "node0")
    run("ip", "link", "set", "node0", "up")
    run("ip", "route", "add", "default", "via", "172.30.0.1")


class Daemon:
    """A `fairlead run`, until the end of the block."""

    def __init__(self, fairlead, manifests, log, *options):
        self.process = subprocess.Popen(
            [fairlead, "run", "--manifests", str(manifests), "--node-name", "node1", "--cluster-cidr",
             "10.128.0.0/16,fd00:10:128::/48", "--healthz-bind-address=", *options], stdout=log, stderr=log)

    def __enter__(self):
        end = time.monotonic() + 300
        while True:
            try:
                status = get("/api/v1/status")
                if status["sync"]["state"] == "synchronized":
                    return self
            except OSError:
                pass
            expect(self.process.poll() is None, "the daemon has ended")
            expect(time.monotonic() < end, "the daemon does not bring the rules in line")
            time.sleep(0.1)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def get(path):
    with urllib.request.urlopen(SERVER + path, timeout=10) as answer:
        return json.load(answer)


def refused(address, port, count):
    """Connections that the rules have to reject."""
    for _ in range(count):
        with socket.socket() as connection:
            connection.settimeout(5)
            try:
                connection.connect((address, port))
            except ConnectionRefusedError:
                continue
            raise Failure(f"{address}:{port} was not refused")


# What there is to see

NAMES = "[...document.querySelectorAll('#services button.name')].map(one => one.textContent)"
ROWS = "document.querySelectorAll('#services tbody > tr').length"
CONTROLS = "[...document.querySelectorAll('a[href], button, input, select, summary')].filter(one => " \
    "one.checkVisibility() && !one.disabled)"


def check_services(browser):
    samples = (ROOT / "docs/samples").glob("*.yaml")
    services = [part for sample in samples for part in sample.read_text().split("\n---") if "kind: Service\n" in part]
    names = sorted("demo/" + re.search(r"\n  name: (\S+)", part).group(1) for part in services)
    expect(len(names) >= 5, f"the samples have Services: {names}")
    found = browser.wait("services", f"({ROWS}) && {NAMES}")
    expect(found == names, f"services: {found}, not {names}")
    row = browser.evaluate("[...document.querySelectorAll('#services tbody > tr')].find(row => "
                           "row.textContent.startsWith('demo/web')).innerText")
    for text in ("served", "LoadBalancer", "external Cluster", "10.96.0.10", "10.250.0.10", "80/TCP", "node 30010",
                 "3 (2 here)"):
        expect(text in row, f"the row of demo/web lacks {text}: {row}")
    expect(browser.evaluate("document.getElementById('node').textContent") == "node1", "the node's name")
    expect(browser.evaluate("document.getElementById('state').textContent") == "synchronized", "the state")


def check_refused(browser):
    """Real connections to a Service without endpoints appear with a rate, and so they do in `fairlead status`."""
    end = time.monotonic() + 60
    row = "[...document.querySelectorAll('#refused tr')].find(row => row.innerText.includes('10.96.0.60:80/tcp'))"
    while True:
        refused("10.96.0.60", 80, 20)
        text = browser.evaluate(f"{row} && {row}.innerText") or ""
        found = re.search(r"rejected\s+(\d+)\s+([0-9.]+)/s", text)
        if found and int(found.group(1)) >= 20 and float(found.group(2)) > 0:
            return
        expect(time.monotonic() < end, f"refused connections do not show: {text}")
        time.sleep(0.2)


def check_traffic(browser):
    """What the daemon counts of bytes is in a table, in the order of the status."""
    asked = json.load(urllib.request.urlopen(SERVER + "/api/v1/status"))["traffic"]["items"]
    expect(asked, "no Service in traffic")
    names = [f"{one['namespace']}/{one['name']}" for one in asked]
    end = time.monotonic() + 20
    while True:
        text = browser.evaluate("document.querySelector('#traffic').innerText") or ""
        places = [text.find(name) for name in names]
        if -1 not in places and places == sorted(places) and re.search(r"\d+ B", text):
            return
        expect(time.monotonic() < end, f"traffic does not show: {text}")
        time.sleep(0.2)


def check_history(browser):
    """The charts show what the daemon remembers of the last hour: the connections that were refused just now, and the first commit."""
    names = ["New connections", "Refused packets", "Traffic", "Commits", "Slowest commit",
             "Endpoints: slowest change to rules"]
    figure = "[...document.querySelectorAll('#charts figure')]"
    found = browser.wait("charts", f"{figure}.length && {figure}.map(one => one.querySelector('span').textContent)", 30)
    expect(found == names, f"charts: {found}")
    bars = f"{figure}[1].querySelector('path').getAttribute('d')"
    browser.wait("a bar of refused packets", f"{bars}.startsWith('M')", 30)
    told = browser.evaluate(f"{figure}.map(one => one.querySelector('svg').getAttribute('aria-label'))")
    highest = max(rate or 0 for rate in get("/api/v1/history")["refusedRate"])
    shown = re.search(r"highest ([0-9.]+)/s", told[1])
    # Between the two looks the newest step goes on.
    expect(shown and highest > 0 and 0.3 < float(shown.group(1)) / highest < 3, f"{told[1]}, not {highest}")
    expect(re.search(r"Slowest commit in the last hour: now [0-9.]+ m?s, highest [0-9.]+ m?s at ", told[4]), told[4])
    # What the pointer is over is told: the newest step is at the right.
    box = browser.evaluate(f"(() => {{ const one = {figure}[3].querySelector('svg'); one.scrollIntoView({{block: 'center'}});"
                           "const box = one.getBoundingClientRect(); return [box.left, box.right, box.top + 5]; })()")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[1] - 1, y=box[2])
    note = f"{figure}[3].querySelector('p').textContent"
    browser.wait("a step under the pointer", f"/^[0-9:]+.*: [0-9]+$/.test({note})")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    browser.wait("the highest again", f"{note}.startsWith('highest ')")


def check_sort(browser):
    browser.evaluate("sort.value = 'refused'; sort.dispatchEvent(new Event('change'))")
    browser.wait("those that refuse first", f"{NAMES}[0] === 'demo/empty' && {NAMES}.length > 4")
    browser.evaluate("sort.value = 'name'; sort.dispatchEvent(new Event('change'))")
    browser.wait("by name again", f"JSON.stringify({NAMES}) === JSON.stringify({NAMES}.toSorted())")


def check_filter(browser):
    browser.type("#words", "WEB cluster")
    browser.wait("filter", f"JSON.stringify({NAMES}) === '[\"demo/web\"]'")
    expect(browser.evaluate("document.getElementById('matches').textContent").startswith("1–1 of 1"), "the count")
    browser.type("#words", "10.96.0.60")
    browser.wait("filter by address", f"JSON.stringify({NAMES}) === '[\"demo/empty\"]'")
    browser.type("#words", "no such thing")
    browser.wait("empty filter", "document.getElementById('matches').textContent.startsWith('None of ')")
    browser.type("#words", "")
    browser.wait("no filter", f"({ROWS}) >= 5")
    browser.evaluate("const only = document.getElementById('only'); only.value = 'refusing';"
                     "only.dispatchEvent(new Event('change'))")
    browser.wait("those that refuse", f"{NAMES}.includes('demo/empty') && !{NAMES}.includes('demo/web')")
    browser.evaluate("only.value = ''; only.dispatchEvent(new Event('change'))")
    browser.wait("all again", f"{NAMES}.includes('demo/web')")


def check_details(browser):
    """A Service is opened with the keyboard, and stays open and focused while the page renews itself."""
    button = "[...document.querySelectorAll('button.name')].find(one => one.textContent === 'demo/web')"
    browser.evaluate(f"{button}.focus()")
    browser.press("Enter")
    browser.wait("endpoints", "document.querySelector('tr.detail')?.innerText.includes('10.128.2.11:8080')")
    text = browser.evaluate("document.querySelector('tr.detail').innerText")
    expect("on another node" in text and "serves" in text, f"why endpoints serve: {text}")
    browser.evaluate(f"window.formerButton = {button}")
    browser.wait("the next look", f"window.formerButton !== {button}")
    expect(browser.evaluate(f"document.activeElement === {button}"), "the focus was lost")
    browser.press("Enter")
    browser.wait("closed", "!document.querySelector('tr.detail')")


def check_explain(browser, fairlead):
    browser.type("#from", "external")
    browser.type("#to", "10.250.0.20:80")
    browser.press("Enter")
    browser.wait("explanation", "document.getElementById('answer').innerText.startsWith('reaches')")
    text = browser.evaluate("document.getElementById('answer').innerText")
    for part in ("demo/api", "externalTrafficPolicy Local", "10.128.1.11:8080", "not on node1"):
        expect(part in text, f"the explanation lacks {part}: {text}")
    for source, target in [
        ("external", "10.250.0.20:80"), ("pod", "10.96.0.60:80"), ("node", "demo/cache"), ("10.128.1.11", "10.96.0.10:80"),
        ("external", "node:30040"), ("external", "[fd00:10:250::50]:80"), ("pod", "10.96.0.99:80"),
        ("pod", "10.96.0.10:81"), ("node", "8.8.8.8:53/udp"),
    ]:
        query = urllib.parse.urlencode({"from": source, "to": target})
        ours = get("/api/v1/explain?" + query)
        command = [fairlead, "explain", "--manifests", str(ROOT / "docs/samples"), "--node-name", "node1",
                   "--cluster-cidr", "10.128.0.0/16,fd00:10:128::/48", "--from", source, "--to", target, "--output", "json",
                   "--service-traffic"]
        theirs = json.loads(subprocess.run(command, stdout=subprocess.PIPE).stdout)
        expect(ours == theirs, f"{source} to {target}: the daemon says\n{ours}\nthe command says\n{theirs}")
    # What is typed, and what the server says of it, is text and nothing else.
    browser.type("#to", "<img src=x onerror=alert(1)>")
    browser.press("Enter")
    browser.wait("an error", "document.querySelector('#answer .bad')?.textContent.includes('<img src=x')")
    expect(browser.evaluate("document.images.length") == 0, "markup was made of text")
    # The browser notes the 400 itself; that is no fault of the page.
    browser.complaints = [one for one in browser.complaints if "status of 400" not in one]


def check_keyboard(browser):
    """The Tab key reaches everything, in the order of the page, and the focus can be seen wherever it is."""
    browser.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    browser.evaluate("document.getElementById('pause').click()")
    browser.evaluate(f"window.controls = {CONTROLS}; window.reached = []")
    count = browser.evaluate("window.controls.length")
    for _ in range(2 * count + 3):
        browser.press("Tab")
        if not browser.evaluate("document.activeElement === document.body || (window.reached.push("
                                "document.activeElement), true)"):
            break
        style = browser.evaluate(
            "(() => { const one = document.activeElement; if (one === document.body) return null;"
            "const style = getComputedStyle(one); const box = one.getBoundingClientRect();"
            "return [one.outerHTML.slice(0, 80), style.outlineStyle, parseFloat(style.outlineWidth), box.width,"
            "box.top < innerHeight && box.bottom > 0]; })()")
        if style is None:
            continue
        html, outline, width, size, visible = style
        expect(outline != "none" and width >= 2 and size > 0 and visible, f"the focus cannot be seen: {style}")
    missing = browser.evaluate("window.controls.filter(one => !window.reached.includes(one)).map(one => one.outerHTML)")
    expect(not missing, f"the Tab key does not reach {missing}")
    # Where the Tab key begins is the browser's business.
    order = browser.evaluate("(() => { const order = [...new Set(window.reached)].map(one => window.controls.indexOf(one));"
                             "const first = order.indexOf(0); return order.slice(first).concat(order.slice(0, first)) })()")
    expect(order == list(range(count)), f"the order of the Tab key is not that of the page: {order}")
    nameless = browser.evaluate(
        "window.controls.filter(one => !(one.labels?.length || one.textContent.trim())).map(one => one.outerHTML)")
    expect(not nameless, f"no label: {nameless}")
    browser.evaluate("document.getElementById('pause').click()")
    expect(browser.evaluate("document.querySelectorAll('[role=status], [role=alert]').length") >= 4, "live regions")
    cells = browser.evaluate("[...document.querySelectorAll('table')].every(one => one.getAttribute('aria-label') && "
                             "one.querySelectorAll('th[scope=col]').length > 0)")
    expect(cells, "a table without a name or headings")


# Text against what is behind it, by WCAG 2: at least 4.5 to 1, and 3 to 1 for large text.
CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => one / 255).map(
      (one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const one of document.body.querySelectorAll('*')) {
    if (!one.checkVisibility() || one.disabled) continue;
    if (![...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
    const style = getComputedStyle(one);
    const [a, b] = [light(parse(style.color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) poor.push([one.outerHTML.slice(0, 80), ratio]);
  }
  return poor;
})()
"""


def check_colours(browser):
    backs = {}
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        backs[scheme] = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        poor = browser.evaluate(CONTRAST)
        expect(not poor, f"{scheme}: too little contrast: {poor}")
    light, dark = ([int(one) for one in re.findall(r"\d+", backs[scheme])[:3]] for scheme in ("light", "dark"))
    expect(min(light) > 200 and max(dark) < 60, f"light and dark: {backs}")


def check_phone(browser):
    browser.call("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=2, mobile=True)
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.evaluate("document.querySelector('details').open = true")
        wide = browser.evaluate(
            "[document.documentElement.scrollWidth, [...document.querySelectorAll('body *')].filter(one => "
            "one.checkVisibility() && !one.closest('thead, .skip') && one.getBoundingClientRect().right > 320.5)"
            ".map(one => one.outerHTML.slice(0, 80))]")
        expect(wide[0] <= 320 and not wide[1], f"wider than a phone: {wide}")
    small = browser.evaluate(f"{CONTROLS}.filter(one => one.getBoundingClientRect().height < 20).map(one => "
                             "one.outerHTML.slice(0, 80))")
    expect(not small, f"too small for a finger: {small}")
    browser.call("Emulation.clearDeviceMetricsOverride")


def check_headers():
    with urllib.request.urlopen(SERVER + "/", timeout=10) as answer:
        policy, page = answer.headers["Content-Security-Policy"], answer.read().decode()
    nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)
    expect(nonce, f"no nonce in {policy}")
    expect(page.count(f'nonce="{nonce.group(1)}"') == 2, "the nonce of style and script")
    expect(not re.search(r"\son[a-z]+=|javascript:|(src|href)=\"https?:", page), "inline handlers or outside addresses")
    # Without the nonce nothing runs: the policy is what holds, not good will.
    return policy


def check_policy(browser):
    """The policy is in force: markup from text, a script without the nonce and a request elsewhere are refused."""
    for script in ("document.body.innerHTML = 'x'", "document.body.insertAdjacentHTML('beforeend', 'x')"):
        expect(browser.evaluate(f"(() => {{ try {{ {script}; return false }} catch (error) {{ return true }} }})()"),
               f"{script} is not refused")
    ran = browser.evaluate("(() => { const one = document.createElement('script'); try { one.text = 'window.ran = 1';"
                           "document.body.append(one) } catch (error) {} return window.ran === 1 })()")
    expect(not ran, "a script without the nonce ran")
    elsewhere = browser.evaluate("fetch('http://127.0.0.1:10256/healthz').then(() => 'sent', () => 'refused')")
    expect(elsewhere == "refused", "a request to another server")


def check_rebinding():
    request = urllib.request.Request(SERVER + "/api/v1/status", headers={"Host": "evil.example:10249"})
    try:
        urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        return expect(error.code == 403, f"a foreign name: {error.code}")
    raise Failure("a foreign name in Host is answered")


def write_cluster(path, count):
    """As many Services with three endpoints each."""
    items = []
    for number in range(count):
        name, address = f"service-{number}", f"10.{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        items.append({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": f"team-{number % 40}"},
            "spec": {"clusterIP": address, "clusterIPs": [address], "ports": [{"port": 80, "protocol": "TCP"}]}})
        items.append({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": f"team-{number % 40}",
                         "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"port": 8080, "protocol": "TCP"}],
            "endpoints": [] if number % 100 == 0 else [
                {"addresses": [f"10.128.{number * 3 + one >> 8 & 255}.{number * 3 + one & 255}"],
                 "conditions": {"ready": True}} for one in range(3)]})
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def check_large(browser, count):
    """The page stays usable with many Services. Returns what was measured."""
    browser.open(SERVER + "/")
    browser.wait("services", f"({ROWS}) === 50 && document.getElementById('matches').textContent.includes('{count:,}')",
                 60)
    times = {}
    for text, matching in [("service-4242", 1), ("team-7 ", count // 40)]:
        start = time.monotonic()
        browser.type("#words", text)
        browser.wait("filter", f"document.getElementById('matches').textContent.includes(' of {matching:,} (')")
        times[f"filter {text.strip()}"] = time.monotonic() - start
    browser.type("#words", "")
    browser.wait("all", f"document.getElementById('matches').textContent.includes(' of {count:,}')")
    start = time.monotonic()
    browser.evaluate("document.getElementById('next').click()")
    browser.wait("next page", "document.getElementById('matches').textContent.startsWith('51–100')")
    times["next page"] = time.monotonic() - start
    for path in ("/api/v1/status", "/api/v1/services?filter=team-7", "/api/v1/explain?from=pod&to=10.100.0.7:80"):
        costs = []
        for _ in range(5):
            start = time.monotonic()
            get(path)
            costs.append(time.monotonic() - start)
        times[path] = sorted(costs)[2]
    for what, seconds in times.items():
        print(f"check-page: {count} Services: {what}: {seconds * 1000:.0f} ms")
        expect(seconds < 5, f"{what} took {seconds:.1f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fairlead", required=True)
    parser.add_argument("--browser", required=True)
    parser.add_argument("--cluster", type=int, default=0)
    parser.add_argument("--screenshots", type=pathlib.Path)
    options = parser.parse_args()
    make_node()
    start = time.monotonic()
    with tempfile.NamedTemporaryFile("w+", prefix="fairlead-page-") as log:
        browser = Browser(options.browser, log)
        try:
            check(browser, options, log)
        except Failure as failure:
            log.seek(0)
            print(f"check-page: {failure}\n--- log\n{log.read()[-4000:]}", file=sys.stderr)
            sys.exit(1)
        finally:
            browser.close()
    print(f"check-page: all is well, {time.monotonic() - start:.0f} s")


def picture(browser, options, name):
    if options.screenshots:
        import base64
        data = browser.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        (options.screenshots / f"{name}.png").write_bytes(base64.b64decode(data))


def check(browser, options, log):
    with Daemon(options.fairlead, ROOT / "docs/samples", log, "--service-counters", "--service-traffic"):
        policy = check_headers()
        browser.open(SERVER + "/")
        steps = [check_services, check_refused, check_traffic, check_history, check_sort, check_filter, check_details,
                 lambda page: check_explain(page, options.fairlead), check_keyboard, check_colours, check_phone]
        for step in steps:
            step(browser)
            picture(browser, options, f"{steps.index(step)}")
        expect(not browser.complaints, f"the console has {browser.complaints}")
        check_policy(browser)
        check_rebinding()
        print(f"check-page: {policy}")
    if options.cluster:
        with tempfile.TemporaryDirectory() as directory:
            write_cluster(pathlib.Path(directory) / "cluster.json", options.cluster)
            with Daemon(options.fairlead, directory, log, "--service-counters", "--service-traffic"):
                check_large(browser, options.cluster)


if __name__ == "__main__":
    main()
